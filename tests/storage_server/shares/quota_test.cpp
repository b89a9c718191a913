// What counts against sizelimit and reserved_space, to the byte and without a scan, and what goes
// on beyond them.
#include <gtest/gtest.h>

#include <filesystem>

#include "backends/share_file/layout.h"
#include "tests/support/disk_store.h"
#include "tests/support/temp_dir.h"

namespace sharestore {
namespace {

namespace fs = std::filesystem;
using Numbers = std::vector<ShareNumber>;

class Quota : public testing::Test {
 protected:
  ~Quota() override {
    if (disk_) disk_->stop();
  }
  void open(ShareStoreOptions options = {}) {
    if (disk_) disk_->stop();
    disk_.reset();
    disk_ = std::make_unique<DiskStore>(directory_.path(), clock_, std::move(options));
  }
  std::uint64_t counted() const {
    DiskStore::must(run_task(disk_->index->sync()));
    const IndexTotals totals = disk_->index->totals();
    return totals.immutable_bytes + totals.mutable_bytes;
  }
  std::uint64_t on_disk() {
    disk_->make_files();
    std::uint64_t bytes = 0;
    for (const auto& entry : fs::recursive_directory_iterator(directory_ / "storage/shares")) {
      if (entry.is_regular_file()) bytes += entry.file_size();
    }
    return bytes;
  }
  Result<AllocateOutcome> allocate(ShareId share, std::uint64_t bytes) {
    return run_task(disk_->store->allocate(clock_.context(), share.storage_index, {share.number},
                                           bytes, letter_secrets('r', 'c'), letter_secret('u')));
  }
  Result<ReadTestWriteOutcome> write(ShareId share, std::size_t bytes,
                                     std::optional<std::uint64_t> new_length = std::nullopt) {
    ReadTestWrite request;
    request.shares[share.number].writes = {{0, text_source(std::string(bytes, 'm'))}};
    request.shares[share.number].new_length = new_length;
    return run_task(disk_->store->read_test_write(clock_.context(), share.storage_index,
                                                  letter_secret('W'), letter_secrets('r', 'c'),
                                                  std::move(request)));
  }

  TempDir directory_;
  FakeClock clock_;
  std::unique_ptr<DiskStore> disk_;
};

TEST_F(Quota, CountsTheBytesOfShareFilesExactlyAlsoAsTheirLeasesGrow) {
  open();
  const ShareId plain{test_index(1), 0};
  const ShareId mutable_share{test_index(2), 0};
  disk_->put(plain, std::string(1000, 'x'));
  disk_->put_mutable(mutable_share, std::string(500, 'm'));
  EXPECT_EQ(counted(), on_disk());
  const std::uint64_t before = counted();
  // Four leases have room in a mutable file's header; two of these lie behind.
  for (const char renew : {'a', 'b', 'd', 'e', 'f'}) {
    ASSERT_TRUE(disk_->lease(plain.storage_index, renew));
    ASSERT_TRUE(disk_->lease(mutable_share.storage_index, renew));
  }
  EXPECT_EQ(on_disk(), before) << "they are in the index first";
  disk_->save_all_leases();
  EXPECT_EQ(on_disk(), before + 5 * kImmutableLeaseBytes + 2 * kMutableLeaseBytes);
  EXPECT_EQ(counted(), on_disk());
  open();
  EXPECT_EQ(counted(), on_disk()) << "exact at the start";
  EXPECT_EQ(disk_->index->recount()->immutable_bytes, disk_->index->totals().immutable_bytes);
}

TEST_F(Quota, AVersionOneContainerThatTakesALeaseCountsItAtOnce) {
  open();
  const ShareId share{test_index(1), 0};
  disk_->put(share, "data");
  disk_->make_files();
  // The version is the container's first word; its lease record becomes secrets in clear.
  std::string file = read_file(disk_->file_of(share));
  file.replace(0, 4, put_u32(1));
  write_file(disk_->file_of(share), file);
  DiskStore::must(run_task(disk_->index->begin_slot_writes({share.storage_index})));
  ASSERT_TRUE(disk_->lease(share.storage_index, 'q'));
  EXPECT_EQ(fs::file_size(disk_->file_of(share)), file.size() + kImmutableLeaseBytes);
  EXPECT_EQ(counted(), on_disk());
}

TEST_F(Quota, BeyondTheLimitNothingGrowsAndEverythingElseGoesOn) {
  open();
  const ShareId held{test_index(1), 0};
  const ShareId slot{test_index(2), 0};
  disk_->put(held, std::string(1000, 'x'));
  disk_->put_mutable(slot, std::string(1000, 'm'));
  ShareStoreOptions options;
  options.sizelimit_bytes = counted() + 10;
  open(options);
  EXPECT_EQ(disk_->store->space().available_bytes, 0u) << "a lease record takes the rest";
  EXPECT_TRUE(allocate({test_index(3), 0}, 1)->allocated.empty());
  EXPECT_EQ(write(slot, 1100).error().code(), Errc::no_space);
  EXPECT_EQ(disk_->lease(held.storage_index, 'q').error().code(), Errc::no_space)
      << "a new lease grows the file";
  EXPECT_TRUE(disk_->lease(held.storage_index, 'r'));
  EXPECT_EQ(allocate(held, 1000)->already_have, Numbers{0});
  EXPECT_EQ(disk_->content(held), std::string(1000, 'x'));
  EXPECT_TRUE(write(slot, 1000)) << "no growth";
  EXPECT_TRUE(write(slot, 10, 500)) << "shrinking makes room";
  EXPECT_TRUE(write(slot, 0, 0)) << "and so does deletion";
  EXPECT_GT(disk_->store->space().available_bytes, 0u);
}

TEST_F(Quota, WhatOpenUploadsReserveCountsUntilTheyEnd) {
  ShareStoreOptions options;
  options.sizelimit_bytes = 10'000;
  open(options);
  ASSERT_EQ(allocate({test_index(1), 0}, 6'000)->allocated, Numbers{0});
  EXPECT_TRUE(allocate({test_index(2), 0}, 6'000)->allocated.empty());
  EXPECT_EQ(write({test_index(3), 0}, 6'000).error().code(), Errc::no_space);
  EXPECT_LT(disk_->store->space().available_bytes, 4'000u);
  open(options);
  EXPECT_GT(disk_->store->space().available_bytes, 9'000u) << "a restart ends the upload";
}

TEST_F(Quota, AReserveAsLargeAsTheDiskLeavesNoRoom) {
  ShareStoreOptions options;
  options.reserved_space_bytes = std::uint64_t{1} << 62;
  open();
  const ShareId held{test_index(1), 0};
  disk_->put(held, "data");
  open(options);
  EXPECT_EQ(disk_->store->space().available_bytes, 0u);
  EXPECT_TRUE(allocate({test_index(2), 0}, 1)->allocated.empty());
  EXPECT_EQ(write({test_index(3), 0}, 1).error().code(), Errc::no_space);
  EXPECT_TRUE(disk_->lease(held.storage_index, 'r'));
  EXPECT_EQ(disk_->content(held), "data");
}

TEST_F(Quota, AReadonlyNodeTakesNoChangesAndRenewsLeases) {
  open();
  const ShareId held{test_index(1), 0};
  const ShareId slot{test_index(2), 0};
  disk_->put(held, "data");
  disk_->put_mutable(slot, "mutable");
  ShareStoreOptions options;
  options.readonly = true;
  open(options);
  EXPECT_EQ(disk_->store->space().available_bytes, 0u);
  const auto answer = allocate({held.storage_index, 1}, 4);
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->allocated.empty());
  EXPECT_EQ(answer->already_have, Numbers{0});
  EXPECT_EQ(write(slot, 3).error().code(), Errc::forbidden);
  EXPECT_EQ(write(slot, 0, 0).error().code(), Errc::forbidden);
  EXPECT_TRUE(disk_->lease(slot.storage_index, 'r'));
  EXPECT_EQ(disk_->content(slot, ShareKind::mutable_slot), "mutable");
}

}  // namespace
}  // namespace sharestore
