// What lies on disk: the reference's bytes, directories and oddities.
#include <sys/stat.h>

#include <filesystem>

#include "tests/backends/disk/disk_test_base.h"
#include "tests/backends/share_file/share_file_fixtures.h"
#include "tests/support/temp_dir.h"

namespace sharestore {
namespace {

namespace fs = std::filesystem;

class DiskFormat : public testing::Test {
 protected:
  DiskFormat() : disk_(options()) { EXPECT_TRUE(disk_.reopen()); }

  DiskOptions options() {
    DiskOptions options;
    options.storage_directory = directory_ / "storage";
    const std::string node = from_hex(kNodeIdHex);
    std::copy(node.begin(), node.end(), options.node_id.begin());
    return options;
  }
  fs::path shares() { return directory_ / "storage/shares"; }
  fs::path path_of(ShareId share) {
    return shares() / share.storage_index.prefix() / share.storage_index.to_text() /
           std::to_string(share.number);
  }
  std::vector<ShareNumber> numbers() {
    std::vector<ShareNumber> out;
    const auto listed = run_task(disk_.backend->list(disk_.context(), kIndex, {}));
    EXPECT_TRUE(listed);
    for (const ShareInfo& info : *listed) out.push_back(info.number);
    return out;
  }

  const StorageIndex kIndex = test_index(1);
  const ShareId kShare{kIndex, 0};
  TempDir directory_;
  DiskFixture disk_;
};

TEST_F(DiskFormat, UploadsTheWorkedExample) {
  const Leases leases{letter_lease('R', 'C', 1700000000, 0).lease,
                      letter_lease('r', 'c', 1700000001, 1).lease};
  ASSERT_TRUE(disk_.upload(kShare, "hello", leases));
  ASSERT_TRUE(disk_.settle(kIndex));
  EXPECT_EQ(read_file(path_of(kShare)), immutable_example(2));
  const ShareId other{test_index(2), 12};
  ASSERT_TRUE(disk_.upload(other, "hello", leases, 2));
  EXPECT_EQ(read_file(path_of(other)), immutable_example(2));
}

TEST_F(DiskFormat, CommitsTheWorkedExample) {
  ASSERT_TRUE(disk_.commit(kIndex, {disk_.change(0, {{0, "data"}}, std::nullopt,
                                                 {letter_lease('R', 'C', 1700000000)})}));
  ASSERT_TRUE(disk_.settle(kIndex));
  EXPECT_EQ(read_file(path_of(kShare)), mutable_example(2));
}

TEST_F(DiskFormat, ReadsAndKeepsVersionOne) {
  write_file(path_of(kShare), immutable_example(1));
  EXPECT_EQ(disk_.content(kShare), "hello");
  // Without its secrets a lease cannot go into a version 1 file; with them it goes in clear.
  const LeaseUpdate digests{letter_lease('x', 'y', 1800000000).lease, {}};
  ASSERT_TRUE(run_task(disk_.backend->store_leases(disk_.context(), kShare, {digests})));
  EXPECT_EQ(read_file(path_of(kShare)), immutable_example(1));
  ASSERT_TRUE(run_task(
      disk_.backend->store_leases(disk_.context(), kShare, {letter_lease('x', 'y', 1800000000)})));
  const std::string file = read_file(path_of(kShare));
  EXPECT_EQ(file.size(), 161u + 72u);
  EXPECT_EQ(file.substr(0, 12), from_hex("00000001 00000005 00000003"));
  EXPECT_EQ(file.substr(165, 32), std::string(32, 'x'));

  const ShareId mutable_share{test_index(2), 0};
  write_file(path_of(mutable_share), mutable_example(1));
  ASSERT_TRUE(disk_.commit(mutable_share.storage_index, {disk_.change(0, {{4, "+more"}})}));
  EXPECT_EQ(disk_.content(mutable_share), "data+more");
  EXPECT_EQ(read_file(path_of(mutable_share)).substr(0, 100).substr(0, 32),
            mutable_example(1).substr(0, 32));
}

TEST_F(DiskFormat, DamagedFilesAreLeftOutAndReported) {
  ASSERT_TRUE(disk_.upload({kIndex, 0}, "good"));
  ASSERT_TRUE(disk_.settle(kIndex));
  const std::string good = read_file(path_of(kShare));
  const std::vector<std::pair<ShareNumber, std::string>> bad{
      {1, ""},
      {2, good.substr(0, good.size() - 1)},
      {3, "this is not a share file, but long enough to be one"},
      {4, from_hex("00000009") + good.substr(4)},
      {5, mutable_example(2).substr(0, 470)}};
  for (const auto& [number, bytes] : bad) write_file(path_of({kIndex, number}), bytes);
  fs::create_directory(path_of({kIndex, 6}));
  ASSERT_EQ(::mkfifo(path_of({kIndex, 7}).c_str(), 0600), 0);

  EXPECT_EQ(numbers(), std::vector<ShareNumber>{0});
  for (ShareNumber number = 1; number <= 7; ++number) {
    EXPECT_EQ(disk_.content({kIndex, number}), "<corrupt>") << number;
  }
  const auto page = run_task(disk_.backend->scan(disk_.context(), {}, 100));
  ASSERT_TRUE(page);
  ASSERT_EQ(page->shares.size(), 8u);
  for (const ScannedShare& scanned : page->shares) {
    EXPECT_EQ(scanned.damage.empty(), scanned.share.number == 0) << scanned.damage;
    EXPECT_EQ(scanned.info.has_value(), scanned.share.number == 0);
  }
  const auto refused = disk_.commit(kIndex, {disk_.change(5, {{0, "x"}})});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::corrupt);
}

TEST_F(DiskFormat, ForeignNamesAndEmptyDirectoriesArePassedOver) {
  ASSERT_TRUE(disk_.upload(kShare, "good"));
  write_file(path_of(kShare).parent_path() / "notes.txt", "x");
  write_file(path_of(kShare).parent_path() / "007", immutable_example(2));
  write_file(shares() / "README", "x");
  write_file(shares() / "aa/readme", "x");
  fs::create_directories(shares() / "zz" / "zznotanindex");
  fs::create_directories(path_of({test_index(9), 0}).parent_path());
  EXPECT_EQ(numbers(), std::vector<ShareNumber>{0});
  const auto page = run_task(disk_.backend->scan(disk_.context(), {}, 100));
  ASSERT_TRUE(page);
  EXPECT_EQ(page->shares.size(), 1u);
  EXPECT_TRUE(page->finished);
}

TEST_F(DiskFormat, StartRemovesUnfinishedUploadsOfAnyProgram) {
  write_file(shares() / "incoming" / "zz" / "zzsomething" / "0", immutable_example(2));
  write_file(directory_ / "storage/pending/leftover", "x");
  ASSERT_TRUE(disk_.reopen());
  EXPECT_TRUE(fs::is_empty(shares() / "incoming"));
  EXPECT_TRUE(fs::is_empty(directory_ / "storage/pending"));
}

TEST_F(DiskFormat, UploadsLeaveNothingBehind) {
  ASSERT_TRUE(disk_.upload(kShare, pattern_text(5000), {}, 1000));
  {
    auto writer = run_task(disk_.backend->create_immutable(disk_.context(), {{kIndex, 1}, 5000}));
    ASSERT_TRUE(writer);
    ASSERT_TRUE(run_task((*writer)->write(disk_.context(), 10, Bytes::copy_of("x"))));
    // Its full size at once, as a hole, and nothing under the final name.
    const fs::path incoming = shares() / "incoming";
    ASSERT_FALSE(fs::is_empty(incoming));
    EXPECT_EQ(fs::file_size(fs::directory_iterator(incoming)->path()), 12u + 5000 + 72);
    EXPECT_FALSE(fs::exists(path_of({kIndex, 1})));
  }
  EXPECT_TRUE(fs::is_empty(shares() / "incoming"));
  ASSERT_TRUE(disk_.commit(test_index(2), {disk_.change(0, {{0, "x"}}), disk_.change(1, {})}));
  ASSERT_TRUE(disk_.settle(test_index(2)));
  EXPECT_TRUE(fs::is_empty(directory_ / "storage/pending"));
  ASSERT_TRUE(disk_.commit(test_index(2), {disk_.removal(0), disk_.removal(1)}));
  EXPECT_FALSE(fs::exists(path_of({test_index(2), 0}).parent_path()));
}

TEST_F(DiskFormat, HolesStaySparse) {
  const std::uint64_t far = std::uint64_t{1} << 34;
  ASSERT_TRUE(disk_.commit(kIndex, {disk_.change(0, {{far, "end"}})}));
  ASSERT_TRUE(disk_.commit(kIndex, {disk_.change(0, {{5, "begin"}})}));
  struct stat info{};
  ASSERT_EQ(::stat(path_of(kShare).c_str(), &info), 0);
  EXPECT_GT(static_cast<std::uint64_t>(info.st_size), far);
  EXPECT_LT(info.st_blocks * 512, 1 << 20);
  const auto reader = run_task(disk_.backend->open(disk_.context(), kShare));
  ASSERT_TRUE(reader);
  // With a reader in the way the file is copied: holes and all.
  ASSERT_TRUE(disk_.commit(kIndex, {disk_.change(0, {{far / 2, "middle"}})}));
  ASSERT_EQ(::stat(path_of(kShare).c_str(), &info), 0);
  EXPECT_LT(info.st_blocks * 512, 1 << 20);
  EXPECT_EQ(run_task((*reader)->read(disk_.context(), far / 2, 6))->text(), std::string(6, '\0'));
  const auto fresh = run_task(disk_.backend->open(disk_.context(), kShare));
  EXPECT_EQ(run_task((*fresh)->read(disk_.context(), far / 2, 6))->text(), "middle");
  EXPECT_EQ(run_task((*fresh)->read(disk_.context(), 3, 9))->text(),
            std::string("\0\0begin\0\0", 9));
}

TEST_F(DiskFormat, LargeImmutableSharesTakeLeasesInPlace) {
  const std::string text = pattern_text(2'000'000);
  ASSERT_TRUE(disk_.upload(kShare, text, {letter_lease('a', 'a', 100).lease}));
  struct stat before{};
  ASSERT_EQ(::stat(path_of(kShare).c_str(), &before), 0);
  ASSERT_TRUE(run_task(disk_.backend->store_leases(
      disk_.context(), kShare, {letter_lease('b', 'b', 200), letter_lease('a', 'a', 300)})));
  struct stat after{};
  ASSERT_EQ(::stat(path_of(kShare).c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
  EXPECT_EQ(after.st_size, 12 + 2'000'000 + 144);
  EXPECT_EQ(run_task(disk_.backend->load_leases(disk_.context(), kShare))->size(), 2u);
  EXPECT_TRUE(disk_.content(kShare) == text);
  EXPECT_TRUE(disk_.journal.intents()->empty());
}

TEST_F(DiskFormat, LargeMutableSharesAreChangedInPlaceWhenNobodyReads) {
  std::string text = pattern_text(3'000'000);
  ASSERT_TRUE(disk_.commit(kIndex, {disk_.change(0, {{0, text}})}));
  struct stat before{};
  ASSERT_EQ(::stat(path_of(kShare).c_str(), &before), 0);
  int intents = 0;
  disk_.journal.set_hook([&](const char* call) {
    intents += std::string_view(call) == "put_intent";
    return Status{};
  });
  ASSERT_TRUE(disk_.commit(kIndex, {disk_.change(0, {{1'000'000, std::string(4096, 'n')}})}));
  text.replace(1'000'000, 4096, std::string(4096, 'n'));
  struct stat after{};
  ASSERT_EQ(::stat(path_of(kShare).c_str(), &after), 0);
  // A file system that can share blocks makes a new file instead; both are fine.
  if (before.st_ino == after.st_ino) {
    EXPECT_EQ(intents, 1);
  }
  EXPECT_TRUE(disk_.content(kShare) == text);
}

TEST_F(DiskFormat, AnAppendThatBrokeOffElsewhereIsSeenAndMended) {
  // The reference appends the record first and counts it later.
  std::string file = immutable_example(2) + std::string(72, 'x');
  write_file(path_of(kShare), file);
  EXPECT_EQ(disk_.content(kShare), "hello");
  ASSERT_TRUE(run_task(
      disk_.backend->store_leases(disk_.context(), kShare, {letter_lease('n', 'n', 1800000000)})));
  file = read_file(path_of(kShare));
  EXPECT_EQ(file.size(), 161u + 72u);
  EXPECT_EQ(disk_.content(kShare), "hello");
  EXPECT_EQ(run_task(disk_.backend->load_leases(disk_.context(), kShare))->size(), 3u);
}

TEST_F(DiskFormat, QuarantineKeepsTheFile) {
  write_file(path_of(kShare), "damaged");
  const auto place = run_task(disk_.backend->quarantine(disk_.context(), kShare));
  ASSERT_TRUE(place);
  EXPECT_EQ(read_file(*place), "damaged");
  EXPECT_TRUE(place->find("/storage/quarantine/") != std::string::npos) << *place;
  EXPECT_FALSE(fs::exists(path_of(kShare)));
}

}  // namespace
}  // namespace sharestore
