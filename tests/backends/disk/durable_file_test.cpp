// Syncs are shared by those who ask at the same time, and a failed one is final.
#include "backends/disk/durable_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <condition_variable>
#include <filesystem>

#include "tests/support/crash_file_system.h"
#include "tests/support/run_task.h"
#include "tests/support/temp_dir.h"

namespace sharestore {
namespace {

class DurableFilesTest : public testing::Test {
 protected:
  DurableFilesTest() { EXPECT_EQ(files_.make_directory("/store"), 0); }
  CrashFileSystem files_{true};
};

TEST_F(DurableFilesTest, ManyChangesShareOneSync) {
  DurableFiles durable(files_, "/store", SyncMode::automatic);
  ASSERT_EQ(durable.mode(), SyncMode::write_out);
  std::atomic<int> syncs = 0;
  files_.set_fault([&](const std::string& call) {
    syncs += call == "sync_everything";
    return 0;
  });
  // The first change holds the committer until all others have queued up behind it.
  constexpr int kOthers = 50;
  std::mutex mutex;
  std::condition_variable all_queued;
  bool queued = false;
  boost::asio::io_context context;
  int done = 0;
  const auto count = [&](std::exception_ptr, Status status) { done += status.has_value(); };
  DurableFiles::Change first;
  first.publish = [&]() -> Status {
    std::unique_lock lock(mutex);
    all_queued.wait(lock, [&] { return queued; });
    return {};
  };
  boost::asio::co_spawn(context, durable.commit(std::move(first)), count);
  int published = 0;
  for (int i = 0; i < kOthers; ++i) {
    DurableFiles::Change change;
    change.publish = [&]() -> Status {
      ++published;
      return {};
    };
    boost::asio::co_spawn(context, durable.commit(std::move(change)), count);
  }
  context.poll();
  {
    const std::lock_guard lock(mutex);
    queued = true;
  }
  all_queued.notify_one();
  context.run();
  EXPECT_EQ(done, kOthers + 1);
  EXPECT_EQ(published, kOthers);
  // The first may have been taken alone or with some of the others.
  EXPECT_LE(syncs, 2);
}

// W43 again, for many files at once: all of them before any name.
TEST(DurableFilesWithoutJournal, SyncTheDataOfManyFilesTogetherBeforeTheNames) {
  CrashFileSystem files(false);
  ASSERT_EQ(files.make_directory("/store"), 0);
  DurableFiles durable(files, "/store", SyncMode::automatic);
  ASSERT_EQ(durable.mode(), SyncMode::sync_files);
  std::vector<std::string> calls;
  files.set_fault([&](const std::string& call) {
    if (call.starts_with("sync_")) calls.push_back(call);
    return 0;
  });
  std::vector<File> opened;
  DurableFiles::Change change;
  for (int i = 0; i < 5; ++i) {
    auto file = File::open(files, "/store/" + std::to_string(i), O_RDWR | O_CREAT, "file");
    ASSERT_TRUE(file);
    change.files.push_back(file->fd());
    opened.push_back(std::move(*file));
  }
  change.publish = [&]() -> Status {
    calls.emplace_back("names");
    return {};
  };
  ASSERT_TRUE(durable.commit_now(std::move(change)));
  EXPECT_EQ(calls, (std::vector<std::string>{"sync_everything", "names", "sync_everything"}));

  files.set_fault([](const std::string& call) { return call == "sync_everything" ? -EIO : 0; });
  DurableFiles::Change failing;
  for (const File& file : opened) failing.files.push_back(file.fd());
  bool named = false;
  failing.publish = [&]() -> Status {
    named = true;
    return {};
  };
  EXPECT_FALSE(durable.commit_now(std::move(failing)));
  EXPECT_FALSE(named);
  EXPECT_TRUE(durable.poisoned());
}

// The kernel's list of journals is another source than the one that is asked.
TEST(SystemFiles, NamesFollowDataOnlyWhereThereIsAJournal) {
  const TempDir directory;
  const auto opened =
      File::open(system_files(), directory.path(), O_RDONLY | O_DIRECTORY, "directory");
  ASSERT_TRUE(opened);
  const int fd = opened->fd();
  struct stat info{};
  ASSERT_EQ(::fstat(fd, &info), 0);
  std::error_code error;
  const std::string device =
      std::filesystem::read_symlink("/sys/dev/block/" + std::to_string(::major(info.st_dev)) + ":" +
                                        std::to_string(::minor(info.st_dev)),
                                    error)
          .filename();
  bool has_journal = false;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/fs/jbd2", error)) {
    has_journal |= entry.path().filename().string().starts_with(device + "-");
  }
  struct statfs system{};
  ASSERT_EQ(::fstatfs(fd, &system), 0);
  if (system.f_type != EXT4_SUPER_MAGIC)
    GTEST_SKIP() << "SKIP: " << directory.path() << " is no ext4";
  EXPECT_EQ(system_files().write_out_orders_names(fd), has_journal);
}

TEST_F(DurableFilesTest, AFailedChangeDoesNotSpoilItsNeighbours) {
  DurableFiles durable(files_, "/store", SyncMode::sync_files);
  DurableFiles::Change bad;
  bad.publish = [] { return Status(fail(Errc::no_space, "full")); };
  const Status refused = run_task(durable.commit(std::move(bad)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::no_space);
  EXPECT_TRUE(refused.error().outcome_known());
  EXPECT_TRUE(run_task(durable.commit({})));
}

TEST_F(DurableFilesTest, AFailedSyncIsFinal) {
  for (const SyncMode mode : {SyncMode::write_out, SyncMode::sync_files, SyncMode::per_file}) {
    DurableFiles durable(files_, "/store", mode);
    files_.set_fault([](const std::string& call) { return call.starts_with("sync_") ? -EIO : 0; });
    DurableFiles::Change change;
    change.directories = {"/store"};
    const Status failed = run_task(durable.commit(std::move(change)));
    ASSERT_FALSE(failed);
    EXPECT_FALSE(failed.error().outcome_known());
    files_.set_fault({});
    bool ran = false;
    DurableFiles::Change later;
    later.publish = [&]() -> Status {
      ran = true;
      return {};
    };
    EXPECT_FALSE(run_task(durable.commit(std::move(later))));
    EXPECT_FALSE(ran);
    EXPECT_TRUE(durable.poisoned());
  }
}

// W43: first the bytes are durable, then the name.
TEST_F(DurableFilesTest, NamesAreNotChangedWhenTheDataCannotBeSynced) {
  for (const SyncMode mode : {SyncMode::write_out, SyncMode::per_file}) {
    DurableFiles durable(files_, "/store", mode);
    auto file = File::open(files_, "/store/file", O_RDWR | O_CREAT, "file");
    ASSERT_TRUE(file);
    files_.set_fault([](const std::string& call) {
      return call == "sync_data" || call == "finish_write_out" ? -EIO : 0;
    });
    bool ran = false;
    DurableFiles::Change change;
    change.files = {file->fd()};
    change.publish = [&]() -> Status {
      ran = true;
      return {};
    };
    const Status failed = run_task(durable.commit(std::move(change)));
    ASSERT_FALSE(failed);
    EXPECT_TRUE(failed.error().outcome_known());
    EXPECT_FALSE(ran);
    files_.set_fault({});
  }
}

}  // namespace
}  // namespace sharestore
