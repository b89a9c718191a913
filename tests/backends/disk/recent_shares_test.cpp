// Small changes between the redo log and their files: seen at once, made once, found again after a
// stop of any kind, and never mixed up with what somebody else did to a share meanwhile.
#include <fcntl.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <memory>
#include <random>

#include "backends/disk/redo_record.h"
#include "tests/backends/disk/disk_test_base.h"
#include "tests/support/crash_file_system.h"

namespace sharestore {
namespace {

using testing::Contains;
using testing::HasSubstr;

const StorageIndex kIndex = test_index(1);
const ShareId kShare{kIndex, 0};
constexpr const char* kLog = "/storage/redo";

class RecentSharesTest : public testing::Test {
 protected:
  RecentSharesTest() : disk_(options()) { EXPECT_TRUE(disk_.reopen()); }

  DiskOptions options() {
    DiskOptions options;
    options.storage_directory = "/storage";
    options.files = &files_;
    choose(SmallChanges::logged, options);
    return options;
  }
  static std::string path_of(ShareId share) {
    return "/storage/shares/" + share.storage_index.prefix() + "/" + share.storage_index.to_text() +
           "/" + std::to_string(share.number);
  }
  bool is_file(const std::string& path) const { return files_.files().contains(path); }

  // What the next process finds after this one was killed, or after a power cut.
  void kill() {
    disk_.backend.reset();
    ASSERT_TRUE(disk_.reopen());
  }
  void cut_power(std::mt19937_64& random) {
    disk_.backend.reset();
    files_.crash(random);
    ASSERT_TRUE(disk_.reopen());
  }
  Status put(std::string text) {
    const std::size_t bytes = text.size();
    const auto done = disk_.commit(kIndex, {disk_.change(0, {{0, std::move(text)}}, bytes)});
    return done ? Status() : fail(done.error());
  }
  // As a caller who records what was done.
  Status put(std::string text, RecordedFlag recorded, ShareNumber number = 0) {
    SlotCommit commit{kIndex, letter_secret('W'), {disk_.change(number, {{0, std::move(text)}})}};
    commit.recorded = std::move(recorded);
    const auto done = run_task(disk_.backend->commit_slot(disk_.context(), std::move(commit)));
    return done ? Status() : fail(done.error());
  }
  std::string file_text(ShareId share) {
    const int fd = files_.open(path_of(share), O_RDONLY);
    std::vector<std::byte> bytes(10'000);
    const std::int64_t got = files_.pread(fd, bytes, 0);
    files_.close(fd);
    bytes.resize(static_cast<std::size_t>(std::max<std::int64_t>(got, 0)));
    return std::string(as_text(bytes));
  }
  void overwrite(const std::string& path, std::string_view text) {
    const int fd = files_.open(path, O_RDWR | O_CREAT | O_TRUNC);
    ASSERT_GE(fd, 0);
    ASSERT_EQ(files_.pwrite(fd, as_byte_span(text), 0), static_cast<std::int64_t>(text.size()));
    files_.close(fd);
  }

  CrashFileSystem files_{false};
  DiskFixture disk_;
};

TEST_F(RecentSharesTest, AreReadBeforeAndAfterTheirFilesAreMade) {
  ASSERT_TRUE(disk_.upload(kShare, "immutable", {letter_lease('a', 'b', 9).lease}));
  EXPECT_FALSE(is_file(path_of(kShare)));
  EXPECT_TRUE(is_file(kLog));
  const auto reader = run_task(disk_.backend->open(disk_.context(), kShare));
  ASSERT_TRUE(reader);
  EXPECT_EQ((*reader)->info().data_bytes, 9u);
  EXPECT_EQ((*reader)->info().stored_bytes, 12u + 9 + 72);
  std::array<std::byte, 20> into{};
  EXPECT_EQ((*reader)->read_now(2, into), 7u);
  EXPECT_EQ(as_text(ByteSpan(into).first(7)), "mutable");
  EXPECT_EQ((*reader)->read_now(9, into), 0u);
  EXPECT_TRUE(run_task((*reader)->read(disk_.context(), 9, 5))->empty());
  EXPECT_TRUE(run_task((*reader)->read(disk_.context(), 100, 5))->empty());

  ASSERT_TRUE(disk_.settle(kIndex));
  EXPECT_TRUE(is_file(path_of(kShare)));
  EXPECT_EQ(run_task((*reader)->read(disk_.context(), 2, 100))->text(), "mutable");
  EXPECT_EQ(disk_.content(kShare), "immutable");
  const auto again = run_task(disk_.backend->create_immutable(disk_.context(), {kShare, 5}));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code(), Errc::already_exists);
}

TEST_F(RecentSharesTest, AReaderKeepsItsVersion) {
  ASSERT_TRUE(put("first"));
  const auto first = run_task(disk_.backend->open(disk_.context(), kShare));
  ASSERT_TRUE(put("second"));
  ASSERT_TRUE(disk_.settle(kIndex));
  const auto second = run_task(disk_.backend->open(disk_.context(), kShare));
  ASSERT_TRUE(put("third"));
  EXPECT_EQ(run_task((*first)->read(disk_.context(), 0, 100))->text(), "first");
  EXPECT_EQ(run_task((*second)->read(disk_.context(), 0, 100))->text(), "second");
  EXPECT_EQ(disk_.content(kShare), "third");
}

TEST_F(RecentSharesTest, ManyVersionsBecomeOneFile) {
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(put("version " + std::to_string(i)));
  int renames = 0;
  files_.set_fault([&renames](const std::string& call) {
    renames += call == "rename" ? 1 : 0;
    return 0;
  });
  ASSERT_TRUE(disk_.settle(kIndex));
  EXPECT_EQ(renames, 1);
  files_.set_fault({});
  EXPECT_EQ(disk_.content(kShare), "version 19");
}

TEST_F(RecentSharesTest, SeveralSharesOfASlotAreOneBatch) {
  std::mt19937_64 random(1);
  ASSERT_TRUE(
      disk_.commit(kIndex, {disk_.change(0, {{0, "zero"}}), disk_.change(1, {{0, "one"}})}));
  int syncs = 0;
  files_.set_fault([&syncs](const std::string& call) {
    syncs += call.starts_with("sync") ? 1 : 0;
    return 0;
  });
  ASSERT_TRUE(
      disk_.commit(kIndex, {disk_.change(0, {{0, "ZERO"}}), disk_.change(1, {{0, "ONE"}})}));
  EXPECT_EQ(syncs, 1);
  files_.set_fault({});
  cut_power(random);
  EXPECT_EQ(disk_.content(kShare) + disk_.content({kIndex, 1}), "ZEROONE");
}

TEST_F(RecentSharesTest, ACleanStopLeavesShareFilesOnly) {
  ASSERT_TRUE(put("text"));
  ASSERT_TRUE(disk_.upload({test_index(2), 3}, "immutable"));
  ASSERT_TRUE(run_task(disk_.backend->stop(disk_.context())));
  EXPECT_TRUE(is_file(path_of(kShare)));
  EXPECT_TRUE(is_file(path_of({test_index(2), 3})));
  EXPECT_FALSE(is_file(kLog));
  kill();
  EXPECT_TRUE(disk_.journal.doubtful().empty());
  EXPECT_EQ(disk_.content(kShare), "text");
}

TEST_F(RecentSharesTest, AfterAKillTheJournalIsToldOfEverySlot) {
  ASSERT_TRUE(put("text"));
  ASSERT_TRUE(disk_.upload({test_index(2), 3}, "immutable"));
  kill();
  EXPECT_EQ(disk_.journal.doubtful(), (std::set{kIndex, test_index(2)}));
  EXPECT_TRUE(is_file(path_of(kShare)));
  EXPECT_EQ(disk_.content(kShare), "text");
}

TEST_F(RecentSharesTest, AChangeNobodyRecordedIsToldAlsoWhenItsFileIsMade) {
  const auto recorded = std::make_shared<std::atomic<bool>>(false);
  ASSERT_TRUE(put("text", recorded));
  ASSERT_TRUE(disk_.settle(kIndex));
  for (std::uint32_t i = 0; i < 200; ++i) {
    ASSERT_TRUE(disk_.upload({test_index(10 + i), 0}, "beside"));
    ASSERT_TRUE(disk_.settle(test_index(10 + i)));
    if (i == 20) {
      // The log did not let go of it.
      std::mt19937_64 random(5);
      cut_power(random);
      EXPECT_THAT(disk_.journal.doubtful(), Contains(kIndex));
      break;
    }
  }
}

TEST_F(RecentSharesTest, ARecordedChangeMakesRoom) {
  // More than the log holds: each must be let go of in its turn.
  for (std::uint32_t i = 0; i < 200; ++i) {
    const auto recorded = std::make_shared<std::atomic<bool>>(false);
    ASSERT_TRUE(put("version " + std::to_string(i), recorded));
    *recorded = true;
  }
  EXPECT_EQ(disk_.content(kShare), "version 199");
}

TEST_F(RecentSharesTest, WhatIsRecordedAfterItsFileIsMadeMakesRoomToo) {
  const std::string text(10'000, 'x');
  std::vector<RecordedFlag> flags;
  for (ShareNumber number = 0; number < 18; ++number) {
    flags.push_back(std::make_shared<std::atomic<bool>>(false));
    ASSERT_TRUE(put(text, flags.back(), number));
  }
  ASSERT_TRUE(disk_.settle(kIndex));
  for (const RecordedFlag& flag : flags) *flag = true;
  // More than what is left of the log, so that nothing happens before there is room.
  SlotCommit commit{kIndex, letter_secret('W'), {}};
  for (ShareNumber number = 18; number < 22; ++number) {
    commit.changes.push_back(disk_.change(number, {{0, text}}));
  }
  EXPECT_TRUE(run_task(disk_.backend->commit_slot(disk_.context(), std::move(commit))));
}

TEST_F(RecentSharesTest, ARemovedShareStaysRemoved) {
  std::mt19937_64 random(3);
  ASSERT_TRUE(disk_.upload(kShare, "immutable"));
  ASSERT_TRUE(run_task(disk_.backend->remove(disk_.context(), kShare)));
  cut_power(random);
  EXPECT_EQ(disk_.content(kShare), "<not_found>");
  ASSERT_TRUE(disk_.upload(kShare, "immutable"));
  cut_power(random);
  EXPECT_EQ(disk_.content(kShare), "immutable");
  ASSERT_TRUE(run_task(disk_.backend->quarantine(disk_.context(), kShare)));
  cut_power(random);
  EXPECT_EQ(disk_.content(kShare), "<not_found>");
}

TEST_F(RecentSharesTest, ALargeVersionIsNotUndoneByASmallOneBefore) {
  std::mt19937_64 random(4);
  const std::string large = pattern_text(100'000);
  ASSERT_TRUE(put("small"));
  ASSERT_TRUE(put(large));
  cut_power(random);
  EXPECT_TRUE(disk_.content(kShare) == large);
  ASSERT_TRUE(put("small again"));
  cut_power(random);
  EXPECT_EQ(disk_.content(kShare), "small again");
}

TEST_F(RecentSharesTest, LeasesAndListsSeeWhatIsNotYetAFile) {
  ASSERT_TRUE(disk_.upload(kShare, "immutable", {letter_lease('a', 'b', 9).lease}));
  EXPECT_EQ(run_task(disk_.backend->load_leases(disk_.context(), kShare))->size(), 1u);
  ASSERT_TRUE(disk_.upload({kIndex, 4}, "another"));
  ASSERT_TRUE(run_task(
      disk_.backend->store_leases(disk_.context(), {kIndex, 4}, {letter_lease('c', 'd', 10)})));
  EXPECT_EQ(run_task(disk_.backend->list(disk_.context(), kIndex, {}))->size(), 2u);
  ASSERT_TRUE(disk_.upload({test_index(2), 0}, "third"));
  const auto page = run_task(disk_.backend->scan(disk_.context(), {}, 100));
  ASSERT_TRUE(page);
  EXPECT_EQ(page->shares.size(), 3u);
  std::mt19937_64 random(6);
  cut_power(random);
  EXPECT_EQ(run_task(disk_.backend->load_leases(disk_.context(), {kIndex, 4}))->size(), 1u);
}

TEST_F(RecentSharesTest, SlotsOfOneKindStayOfOneKind) {
  ASSERT_TRUE(disk_.upload({kIndex, 7}, "immutable"));
  const auto refused = disk_.commit(kIndex, {disk_.change(0, {{0, "x"}})});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::conflict);
  const auto changed = disk_.commit(kIndex, {disk_.change(7, {{0, "x"}})});
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().code(), Errc::conflict);
}

// After a crash another program may run in the directory before this one does.
TEST_F(RecentSharesTest, WhatAnotherProgramChangedIsLeftAlone) {
  ASSERT_TRUE(put("ours before"));
  ASSERT_TRUE(disk_.settle(kIndex));
  ASSERT_TRUE(disk_.commit(test_index(2), {disk_.change(0, {{0, "theirs is like this"}})}));
  ASSERT_TRUE(disk_.settle(test_index(2)));
  const std::string theirs = file_text({test_index(2), 0});
  ASSERT_TRUE(put("ours after"));
  ASSERT_TRUE(disk_.upload({test_index(3), 0}, "new and absent"));
  disk_.backend.reset();
  overwrite(path_of(kShare), theirs);
  testing::internal::CaptureStderr();
  ASSERT_TRUE(disk_.reopen());
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("was changed by another program after this node had stopped"));
  EXPECT_EQ(disk_.content(kShare), "theirs is like this");
  EXPECT_EQ(disk_.content({test_index(3), 0}), "new and absent");
  // And not at the next start either.
  kill();
  EXPECT_EQ(disk_.content(kShare), "theirs is like this");
}

TEST_F(RecentSharesTest, LeasesThatAnotherProgramRenewedAreKept) {
  const auto put_leased = [this](std::string text, char renew) {
    return disk_.commit(kIndex, {disk_.change(0, {{0, std::move(text)}}, std::nullopt,
                                              {letter_lease(renew, 'c', 100)})});
  };
  ASSERT_TRUE(put_leased("first", 'a'));
  ASSERT_TRUE(disk_.settle(kIndex));
  const std::string as_made = file_text(kShare);
  ASSERT_TRUE(run_task(disk_.backend->store_leases(
      disk_.context(), kShare, {letter_lease('a', 'c', 900), letter_lease('b', 'c', 800)})));
  ASSERT_TRUE(disk_.settle(kIndex));
  const std::string renewed = file_text(kShare);
  ASSERT_NE(renewed, as_made);
  // "second" is built upon the file without those.
  disk_.backend.reset();
  overwrite(path_of(kShare), as_made);
  ASSERT_TRUE(disk_.reopen());
  overwrite(path_of(kShare), as_made);
  ASSERT_TRUE(put_leased("second", 'd'));
  disk_.backend.reset();
  overwrite(path_of(kShare), renewed);
  ASSERT_TRUE(disk_.reopen());
  EXPECT_EQ(disk_.content(kShare), "second");
  const auto leases = run_task(disk_.backend->load_leases(disk_.context(), kShare));
  ASSERT_TRUE(leases);
  std::vector<std::int64_t> ends;
  for (const Lease& lease : *leases) ends.push_back(lease.expires_at);
  EXPECT_THAT(ends, testing::UnorderedElementsAre(900, 100, 800));
}

TEST_F(RecentSharesTest, ALeaseAloneIsMadeUpForToo) {
  ASSERT_TRUE(put("text"));
  ASSERT_TRUE(disk_.settle(kIndex));
  const std::string before = file_text(kShare);
  ASSERT_TRUE(
      run_task(disk_.backend->store_leases(disk_.context(), kShare, {letter_lease('a', 'b', 7)})));
  ASSERT_EQ(file_text(kShare), before) << "only logged so far";
  kill();
  EXPECT_EQ(run_task(disk_.backend->load_leases(disk_.context(), kShare))->size(), 1u);
}

TEST_F(RecentSharesTest, AFileDamagedMeanwhileIsReplaced) {
  ASSERT_TRUE(put("before"));
  ASSERT_TRUE(disk_.settle(kIndex));
  ASSERT_TRUE(put("after"));
  disk_.backend.reset();
  overwrite(path_of(kShare), "not a share file");
  testing::internal::CaptureStderr();
  ASSERT_TRUE(disk_.reopen());
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("is damaged on disk"));
  EXPECT_EQ(disk_.content(kShare), "after");
}

TEST_F(RecentSharesTest, WhatAnotherProgramRemovedStaysAway) {
  ASSERT_TRUE(put("before"));
  ASSERT_TRUE(disk_.settle(kIndex));
  ASSERT_TRUE(put("after"));
  disk_.backend.reset();
  ASSERT_EQ(files_.unlink(path_of(kShare)), 0);
  ASSERT_TRUE(disk_.reopen());
  EXPECT_EQ(disk_.content(kShare), "<not_found>");
}

TEST_F(RecentSharesTest, AFileThatIsNoLogIsNotTouched) {
  disk_.backend.reset();
  overwrite(kLog, "something else, of a later version perhaps");
  const Status refused = disk_.reopen();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::unsupported);
  EXPECT_THAT(refused.error().message(), HasSubstr("/storage/redo is not a redo log"));
  EXPECT_TRUE(is_file(kLog));
}

TEST_F(RecentSharesTest, ADamagedBatchIsReportedAndTheRestIsUsed) {
  for (std::uint32_t i = 0; i < 3; ++i) ASSERT_TRUE(disk_.upload({test_index(i), 0}, "share"));
  disk_.backend.reset();
  const int fd = files_.open(kLog, O_RDWR);
  // The second batch: the first block is the head.
  ASSERT_EQ(files_.pwrite(fd, as_byte_span("damage"), 2 * kRedoBlockBytes + 100), 6);
  files_.close(fd);
  testing::internal::CaptureStderr();
  ASSERT_TRUE(disk_.reopen());
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("batch 2 of /storage/redo is damaged"));
  EXPECT_EQ(disk_.content({test_index(0), 0}), "share");
  EXPECT_EQ(disk_.content({test_index(1), 0}), "<not_found>");
  EXPECT_EQ(disk_.content({test_index(2), 0}), "share");
}

TEST_F(RecentSharesTest, FilesThatCannotBeMadeWaitAndNothingIsAddedToThem) {
  ASSERT_TRUE(put("text"));
  ASSERT_TRUE(disk_.upload({test_index(2), 0}, "immutable"));
  files_.set_fault([](const std::string& call) { return call == "create" ? -ENOSPC : 0; });
  const Status settled = disk_.settle(kIndex);
  ASSERT_FALSE(settled);
  EXPECT_EQ(settled.error().code(), Errc::no_space);
  EXPECT_FALSE(disk_.backend->health().ok);
  EXPECT_THAT(disk_.backend->health().sentence, HasSubstr("files cannot be made"));
  EXPECT_EQ(disk_.content(kShare), "text");
  const auto grown = put("longer than before");
  ASSERT_FALSE(grown);
  EXPECT_EQ(grown.error().code(), Errc::no_space);
  const auto uploaded = disk_.upload({test_index(3), 0}, "new");
  ASSERT_FALSE(uploaded);
  EXPECT_EQ(uploaded.error().code(), Errc::no_space);
  // A start finds them and tries as well.
  kill();
  EXPECT_EQ(disk_.content(kShare), "text");
  EXPECT_EQ(disk_.content({test_index(2), 0}), "immutable");
  files_.set_fault({});
  ASSERT_TRUE(disk_.settle(kIndex));
  EXPECT_TRUE(disk_.backend->health().ok) << disk_.backend->health().sentence;
  ASSERT_TRUE(put("longer than before"));
  EXPECT_TRUE(is_file(path_of({test_index(2), 0})));
}

TEST_F(RecentSharesTest, WithoutRoomForTheLogChangesGoToTheirFiles) {
  // Some small files fit, the log does not.
  int writes = 0;
  files_.set_fault([&writes](const std::string& call) {
    return call == "pwrite" && ++writes == 1 ? -ENOSPC : 0;
  });
  ASSERT_TRUE(put("text"));
  EXPECT_GT(writes, 1);
  EXPECT_FALSE(is_file(kLog));
  EXPECT_TRUE(is_file(path_of(kShare)));
  EXPECT_TRUE(disk_.backend->health().ok);
}

TEST_F(RecentSharesTest, AFailedSyncOfTheLogIsFinal) {
  ASSERT_TRUE(put("text"));
  files_.set_fault([](const std::string& call) { return call == "sync_data" ? -EIO : 0; });
  const Status done = put("unknown");
  ASSERT_FALSE(done);
  EXPECT_FALSE(done.error().outcome_known());
  files_.set_fault({});
  EXPECT_FALSE(disk_.backend->health().ok);
  EXPECT_FALSE(put("refused"));
  kill();
  EXPECT_TRUE(disk_.content(kShare) == "text" || disk_.content(kShare) == "unknown");
}

}  // namespace
}  // namespace sharestore
