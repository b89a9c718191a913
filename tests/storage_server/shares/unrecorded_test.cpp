// What the backend did and the index did not take: a full disk below the index, a failed sync of
// it, or a crash in between. The next request sees what the backend has, and what was answered.
#include <gtest/gtest.h>

#include <functional>
#include <optional>

#include "tests/support/disk_store.h"
#include "tests/support/fault_vfs.h"
#include "tests/support/temp_dir.h"

namespace sharestore {
namespace {

const ShareId kShare{test_index(1), 0};

class Unrecorded : public testing::Test {
 protected:
  Unrecorded() {
    fault_vfs::install();
    fault_vfs::reset();
    open();
  }
  ~Unrecorded() override { fault_vfs::reset(); }

  // Without a stop: what a crash leaves.
  void open() {
    disk_.reset();
    disk_.emplace(directory_.path(), clock_);
  }
  std::optional<ShareRow> row() {
    const auto slot = disk_->index->find(kShare.storage_index);
    EXPECT_TRUE(slot);
    return slot->shares.empty() ? std::nullopt : std::optional(slot->shares.at(0));
  }
  bool sync_index() { return run_task(disk_->index->sync()).has_value(); }
  // The index takes nothing meanwhile, and knows.
  void expect_refused(const std::function<void()>& work) {
    ASSERT_TRUE(sync_index());
    fault_vfs::fill_disk_after(0);
    EXPECT_FALSE(run_task(disk_->index->set_value("a", "b")));
    EXPECT_ANY_THROW(work());
    EXPECT_GT(fault_vfs::injected(), 0u);
    fault_vfs::reset();
  }

  TempDir directory_;
  FakeClock clock_;
  std::optional<DiskStore> disk_;
};

TEST_F(Unrecorded, AMutableChangeIsSeenByTheNextRequest) {
  disk_->put_mutable(kShare, "old");
  expect_refused([this] { disk_->put_mutable(kShare, "longer than before"); });
  EXPECT_EQ(row()->info.data_bytes, 3u) << "the index does not know";
  EXPECT_EQ(disk_->content(kShare, ShareKind::mutable_slot), "longer than before");
  EXPECT_EQ(row()->info.data_bytes, 18u);
}

TEST_F(Unrecorded, AMutableChangeIsFoundAfterACrash) {
  disk_->put_mutable(kShare, "old");
  expect_refused([this] { disk_->put_mutable(kShare, "longer than before"); });
  // Its file is made meanwhile, and the log could go.
  disk_->make_files();
  open();
  EXPECT_EQ(disk_->content(kShare, ShareKind::mutable_slot), "longer than before");
  EXPECT_EQ(row()->info.data_bytes, 18u);
}

TEST_F(Unrecorded, AMutableShareThatIsNewIsFoundAfterACleanStop) {
  expect_refused([this] { disk_->put_mutable(kShare, "new"); });
  EXPECT_FALSE(row());
  disk_->stop();
  open();
  EXPECT_EQ(disk_->content(kShare, ShareKind::mutable_slot), "new");
  EXPECT_EQ(disk_->leases_in_file(kShare).size(), 1u);
  EXPECT_EQ(disk_->index->leases(kShare)->size(), 1u);
}

TEST_F(Unrecorded, AnUploadIsSeenByTheNextRequest) {
  expect_refused([this] { disk_->put(kShare, "immutable"); });
  EXPECT_FALSE(row());
  EXPECT_EQ(disk_->content(kShare), "immutable");
  EXPECT_EQ(row()->info.data_bytes, 9u);
}

TEST_F(Unrecorded, AnUploadIsFoundAfterACrash) {
  expect_refused([this] { disk_->put(kShare, "immutable"); });
  open();
  EXPECT_EQ(
      run_task(disk_->store->list(clock_.context(), kShare.storage_index, ShareKind::immutable)),
      std::vector<ShareNumber>{0});
  EXPECT_EQ(disk_->content(kShare), "immutable");
  EXPECT_EQ(disk_->index->leases(kShare)->size(), 1u);
}

// The index learns that its disk is full after the answer. One change each: when the writer tries
// it is its own time, and it takes no second one after that.
class Answered : public Unrecorded, public testing::WithParamInterface<ShareKind> {
 protected:
  Answered() {
    disk_->put_mutable(kSlot, "old");
    EXPECT_TRUE(sync_index());
    fault_vfs::fill_disk_after(0);
    if (is_upload()) {
      disk_->put(kShare, "immutable");
    } else {
      disk_->put_mutable(kSlot, "longer than before", 'q');
    }
    EXPECT_FALSE(sync_index());
  }
  static bool is_upload() { return GetParam() == ShareKind::immutable; }
  void expect_there() {
    if (is_upload()) {
      EXPECT_EQ(row()->info.data_bytes, 9u);
      EXPECT_EQ(disk_->content(kShare), "immutable");
      EXPECT_EQ(disk_->index->leases(kShare)->size(), 1u);
    } else {
      EXPECT_EQ(disk_->content(kSlot, ShareKind::mutable_slot), "longer than before");
      EXPECT_EQ(disk_->index->leases(kSlot)->size(), 2u);
      EXPECT_EQ(disk_->index->find(kSlot.storage_index)->shares.at(0).info.data_bytes, 18u);
    }
  }

  const ShareId kSlot{test_index(2), 3};
};

TEST_P(Answered, IsSeenAndNothingMoreIsTaken) {
  expect_there();
  EXPECT_ANY_THROW(disk_->put({test_index(3), 0}, "more"));
  EXPECT_ANY_THROW(disk_->put_mutable(kSlot, "more"));
  EXPECT_FALSE(disk_->index->health().ok);
}

TEST_P(Answered, IsWrittenWhenThereIsRoomAgain) {
  fault_vfs::reset();
  EXPECT_TRUE(sync_index());
  EXPECT_EQ(disk_->index->totals().immutable_shares, is_upload() ? 1u : 0u);
  EXPECT_EQ(disk_->index->rows(std::nullopt, 10)->rows.size(), is_upload() ? 2u : 1u);
  expect_there();
  disk_->put({test_index(3), 0}, "more");
}

TEST_P(Answered, IsFoundAfterACrash) {
  // What the log holds of it must stay, though the file is made.
  disk_->make_files();
  disk_.reset();
  fault_vfs::reset();
  open();
  const StorageIndex index = is_upload() ? kShare.storage_index : kSlot.storage_index;
  EXPECT_EQ(run_task(disk_->store->list(clock_.context(), index, GetParam()))->size(), 1u);
  expect_there();
}

TEST_P(Answered, IsSeenAlsoWhereASyncOfTheIndexHasFailed) {
  fault_vfs::reset();
  EXPECT_TRUE(sync_index());
  fault_vfs::fail_syncs_after(0);
  disk_->put({test_index(3), 0}, "after");
  EXPECT_FALSE(sync_index());
  fault_vfs::reset();
  EXPECT_EQ(disk_->content({test_index(3), 0}), "after");
  EXPECT_ANY_THROW(disk_->put({test_index(4), 0}, "more"));
  disk_->make_files();
  open();
  EXPECT_EQ(disk_->content({test_index(3), 0}), "after");
  expect_there();
}

INSTANTIATE_TEST_SUITE_P(Changes, Answered,
                         testing::Values(ShareKind::immutable, ShareKind::mutable_slot));

TEST_F(Unrecorded, AnUploadThatWasNotFinishedLeavesNothing) {
  ASSERT_TRUE(run_task(disk_->store->allocate(clock_.context(), kShare.storage_index, {0}, 9,
                                              letter_secrets('r', 'c'), letter_secret('u'))));
  EXPECT_TRUE(disk_->index->unfinished_uploads()->empty()) << "small ones need no row";
  open();
  EXPECT_FALSE(row());
  disk_->put(kShare, "immutable");
  EXPECT_EQ(disk_->content(kShare), "immutable");
}

TEST_F(Unrecorded, WhatIsRecordedLeavesNoDoubtBehind) {
  disk_->put(kShare, "immutable");
  disk_->put_mutable({test_index(2), 0}, "mutable");
  disk_->make_files();
  // Whatever the log held of them is void once others have gone through it.
  for (std::uint32_t n = 10; n < 20; ++n) disk_->put({test_index(n), 0}, "beside");
  disk_->stop();
  open();
  EXPECT_TRUE(disk_->index->doubtful_slots(100)->empty());
}

}  // namespace
}  // namespace sharestore
