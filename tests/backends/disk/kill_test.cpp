// kill -9 of a process that commits, at any moment, many times over: what it acknowledged is there
// and whole, and no set of changes is half applied.
//
// The child tells through a pipe what it was acknowledged; the parent kills it after so many words,
// opens the store itself and looks. The journal is a directory of files, so that it outlives the
// child as the index does.
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <random>

#include "tests/backends/disk/disk_test_base.h"
#include "tests/support/needs_fork.h"
#include "tests/support/temp_dir.h"

namespace sharestore {
namespace {

namespace fs = std::filesystem;

// Intents as files: written beside, renamed into place.
class DirectoryJournal final : public Journal {
 public:
  explicit DirectoryJournal(fs::path directory) : directory_(std::move(directory)) {
    fs::create_directories(directory_);
    for (const auto& entry : fs::directory_iterator(directory_)) {
      next_ = std::max<std::uint64_t>(
          next_, std::strtoull(entry.path().filename().c_str(), nullptr, 10) + 1);
    }
  }
  Task<void> note_upload(ShareId /*share*/, std::string /*store_note*/) override {
    co_return Status{};
  }
  Task<void> begin_slot_writes(std::vector<StorageIndex> /*storage_indexes*/) override {
    co_return Status{};
  }
  Task<std::uint64_t> put_intent(StorageIndex storage_index, std::string body) override {
    const std::uint64_t id = next_++;
    const fs::path place = directory_ / std::to_string(id);
    write_file(directory_ / "new", std::string(storage_index.byte_view()) + body);
    fs::rename(directory_ / "new", place);
    co_return id;
  }
  Task<void> drop_intent(std::uint64_t id) override {
    fs::remove(directory_ / std::to_string(id));
    co_return Status{};
  }
  Result<std::vector<UnfinishedUpload>> unfinished_uploads() override {
    return std::vector<UnfinishedUpload>{};
  }
  Result<std::vector<Intent>> intents() override {
    std::vector<Intent> all;
    for (const auto& entry : fs::directory_iterator(directory_)) {
      if (entry.path().filename() == "new") continue;
      const std::string file = read_file(entry.path());
      all.push_back({std::strtoull(entry.path().filename().c_str(), nullptr, 10),
                     *StorageIndex::from_bytes(file.substr(0, StorageIndex::kBytes)),
                     file.substr(StorageIndex::kBytes)});
    }
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
    return all;
  }

 private:
  fs::path directory_;
  std::uint64_t next_ = 1;
};

// One word of the child: so far the slot holds `version`, or the upload `version` is done.
struct Word {
  std::uint32_t slot = 0;
  std::uint32_t version = 0;
};

constexpr std::uint32_t kSlots = 3;
constexpr std::uint32_t kUploads = kSlots;  // as a Word's slot
constexpr std::size_t kLargeBytes = 1'200'000;
constexpr std::size_t kPatchBytes = 2000;
constexpr std::array<std::uint64_t, 3> kPatchOffsets{0, 600'000, kLargeBytes - kPatchBytes};

std::string patch(std::uint32_t version) {
  return pattern_text(kPatchBytes - 4, version) + put_u32(version);
}

struct Store {
  explicit Store(const fs::path& directory) : journal(directory / "journal") {
    DiskOptions options;
    options.storage_directory = directory / "storage";
    auto made = make_disk_backend(options, journal, pool, clock);
    if (!made) return;
    backend = std::move(*made);
    started = run_task(backend->start(clock.context()));
  }
  std::string content(ShareId share) {
    const auto reader = run_task(backend->open(clock.context(), share));
    if (!reader) return "<" + std::string(to_string(reader.error().code())) + ">";
    const auto data = run_task((*reader)->read(
        clock.context(), 0, static_cast<std::size_t>((*reader)->info().data_bytes)));
    return data ? std::string(data->text()) : "<unreadable>";
  }

  FakeClock clock;
  DirectoryJournal journal;
  IoPool pool{2};
  std::unique_ptr<Backend> backend;
  Status started = fail(Errc::io_error, "not opened");
};

// What version `v` makes of a slot: a large share patched in place, a small one that comes and
// goes, one that is always there.
SlotCommit slot_commit(std::uint32_t slot, std::uint32_t version, bool first) {
  SlotCommit commit{test_index(slot), letter_secret('W'), {}};
  ShareChange large;
  large.number = 0;
  if (first) large.writes.push_back({0, text_source(std::string(kLargeBytes, 'o'))});
  for (const std::uint64_t offset : kPatchOffsets) {
    large.writes.push_back({offset, text_source(patch(version))});
  }
  commit.changes.push_back(std::move(large));
  ShareChange odd;
  odd.number = 1;
  odd.remove = version % 2 == 0;
  if (!odd.remove) odd.writes.push_back({0, text_source(patch(version))});
  commit.changes.push_back(std::move(odd));
  ShareChange small;
  small.number = 2;
  small.writes.push_back({0, text_source(patch(version))});
  commit.changes.push_back(std::move(small));
  return commit;
}

std::string upload_text(std::uint32_t version) {
  return pattern_text(version % 5 == 0 ? 1'100'000 : 100 + version % 3000, version);
}

[[noreturn]] void child(const fs::path& directory, std::vector<std::uint32_t> versions, int pipe) {
  Store store(directory);
  if (!store.started) _exit(2);
  const auto say = [&](Word word) {
    if (::write(pipe, &word, sizeof word) != sizeof word) _exit(3);
  };
  for (std::uint32_t step = 0;; ++step) {
    const std::uint32_t slot = step % (kSlots + 1);
    const std::uint32_t version = ++versions[slot];
    if (slot < kSlots) {
      const bool first = store.content({test_index(slot), 0}) == "<not_found>";
      if (!run_task(store.backend->commit_slot(store.clock.context(),
                                               slot_commit(slot, version, first)))) {
        _exit(4);
      }
    } else {
      const std::string text = upload_text(version);
      auto writer = run_task(store.backend->create_immutable(
          store.clock.context(), {{test_index(1000 + version), 0}, text.size()}));
      if (!writer) _exit(5);
      for (std::size_t at = 0; at < text.size(); at += 400'000) {
        const Bytes piece = Bytes::copy_of(std::string_view(text).substr(at, 400'000));
        if (!run_task((*writer)->write(store.clock.context(), at, piece))) _exit(6);
      }
      if (!run_task((*writer)->commit(store.clock.context(), {}))) _exit(7);
    }
    say({slot, version});
  }
}

// The version that all shares of a slot agree on; -1: they do not.
std::int64_t version_of_slot(Store& store, std::uint32_t slot) {
  const StorageIndex index = test_index(slot);
  const std::string small = store.content({index, 2});
  if (small == "<not_found>") {
    const bool none = store.content({index, 0}) == small && store.content({index, 1}) == small;
    return none ? 0 : -1;
  }
  if (small.size() != kPatchBytes) return -1;
  const std::uint32_t version = get_u32(&small[kPatchBytes - 4]);
  std::string large(kLargeBytes, 'o');
  for (const std::uint64_t offset : kPatchOffsets) {
    large.replace(offset, kPatchBytes, patch(version));
  }
  const std::string odd = version % 2 == 0 ? "<not_found>" : patch(version);
  const bool agree = small == patch(version) && store.content({index, 0}) == large &&
                     store.content({index, 1}) == odd;
  return agree ? version : -1;
}

TEST(Kill, NothingAcknowledgedIsLostAndNothingIsHalfDone) {
  NEEDS_FORK();
  constexpr int kRounds = 25;
  TempDir directory;
  std::mt19937 random(7);
  std::vector<std::uint32_t> acknowledged(kSlots + 1);
  for (int round = 0; round < kRounds; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe(pipe.data()), 0);
    const pid_t pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      ::close(pipe[0]);
      child(directory.path(), acknowledged, pipe[1]);
    }
    ::close(pipe[1]);
    // Killed while it works on what comes after the n-th word, a little into it.
    Word word;
    for (std::uint32_t words = 1 + random() % 12; words > 0; --words) {
      ASSERT_EQ(::read(pipe[0], &word, sizeof word), static_cast<ssize_t>(sizeof word));
      acknowledged[word.slot] = word.version;
    }
    for (std::uint32_t spin = random() % 3'000'000; spin > 0; --spin) {
      [[maybe_unused]] volatile std::uint32_t busy = spin;
    }
    ::kill(pid, SIGKILL);
    while (::read(pipe[0], &word, sizeof word) == static_cast<ssize_t>(sizeof word)) {
      acknowledged[word.slot] = word.version;
    }
    ::close(pipe[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself: " << WEXITSTATUS(status);

    Store store(directory.path());
    ASSERT_TRUE(store.started) << store.started.error().message();
    EXPECT_TRUE(store.journal.intents()->empty());
    for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
      const std::int64_t version = version_of_slot(store, slot);
      EXPECT_GE(version, acknowledged[slot]) << "slot " << slot;
      EXPECT_LE(version, acknowledged[slot] + 1) << "slot " << slot;
      if (version > 0) acknowledged[slot] = static_cast<std::uint32_t>(version);
    }
    for (std::uint32_t version = 1; version <= acknowledged[kUploads] + 1; ++version) {
      const std::string content = store.content({test_index(1000 + version), 0});
      if (version > acknowledged[kUploads] && content == "<not_found>") continue;
      EXPECT_TRUE(content == upload_text(version)) << "upload " << version;
      acknowledged[kUploads] = std::max(acknowledged[kUploads], version);
    }
    const auto page = run_task(store.backend->scan(store.clock.context(), {}, 10'000));
    ASSERT_TRUE(page);
    for (const ScannedShare& share : page->shares) EXPECT_EQ(share.damage, "");
  }
}

}  // namespace
}  // namespace sharestore
