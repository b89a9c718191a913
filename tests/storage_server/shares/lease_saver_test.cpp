#include <gtest/gtest.h>

#include "tests/support/disk_store.h"
#include "tests/support/temp_dir.h"

namespace sharestore {
namespace {

const ShareId kShare{test_index(1), 0};

class LeaseSaver : public testing::Test {
 protected:
  LeaseSaver() { disk_.put(kShare, "hello"); }
  ~LeaseSaver() override { disk_.stop(); }

  TempDir directory_;
  FakeClock clock_;
  DiskStore disk_{directory_.path(), clock_};
};

TEST_F(LeaseSaver, BringsNewLeasesAndRenewalsIntoTheFileOnce) {
  ASSERT_EQ(disk_.leases_in_file(kShare).size(), 1u) << "the first lease comes with the share";
  clock_.advance(std::chrono::hours(1));
  ASSERT_TRUE(disk_.lease(kShare.storage_index, 'r'));
  ASSERT_TRUE(disk_.lease(kShare.storage_index, 'q'));
  EXPECT_EQ(disk_.leases_in_file(kShare).size(), 1u) << "the answer does not wait for the file";
  disk_.save_all_leases();
  const Leases saved = disk_.leases_in_file(kShare);
  ASSERT_EQ(saved.size(), 2u);
  EXPECT_EQ(saved[0].expires_at, disk_.now() + kLeaseSeconds);
  EXPECT_EQ(saved[1].expires_at, disk_.now() + kLeaseSeconds);
  EXPECT_EQ(saved[1].renew_digest, blake2b_256(std::string(32, 'q')));
  EXPECT_EQ(disk_.save_all_leases(), 0u);
  EXPECT_EQ(disk_.content(kShare), "hello");
}

TEST_F(LeaseSaver, IsNotHeldUpByAReaderAtHand) {
  const ShareId share{test_index(2), 0};
  disk_.put_mutable(share, "mutable");
  ASSERT_EQ(disk_.content(share, ShareKind::mutable_slot), "mutable");
  ASSERT_TRUE(disk_.lease(share.storage_index, 'q'));
  disk_.save_all_leases();
  EXPECT_EQ(disk_.leases_in_file(share).size(), 2u);
}

TEST_F(LeaseSaver, IsNotNeededForVersionOneContainers) {
  disk_.make_files();
  std::string file = read_file(disk_.file_of(kShare));
  file.replace(0, 4, put_u32(1));
  write_file(disk_.file_of(kShare), file);
  DiskStore::must(run_task(disk_.index->begin_slot_writes({kShare.storage_index})));
  ASSERT_TRUE(disk_.lease(kShare.storage_index, 'q'));
  clock_.advance(std::chrono::hours(1));
  ASSERT_TRUE(disk_.lease(kShare.storage_index, 'q'));
  const Leases in_file = disk_.leases_in_file(kShare);
  ASSERT_EQ(in_file.size(), 2u);
  EXPECT_EQ(in_file[1].expires_at, disk_.now() + kLeaseSeconds) << "renewed before the answer";
}

TEST_F(LeaseSaver, IsNotHeldUpByAShareThatIsGone) {
  ASSERT_TRUE(disk_.lease(kShare.storage_index, 'q'));
  ASSERT_TRUE(run_task(disk_.backend->remove(clock_.context(), kShare)));
  disk_.save_all_leases();
  EXPECT_EQ(disk_.index->backlog()->shares, 0u);
}

}  // namespace
}  // namespace sharestore
