// Changes with a flag: seen at once, written behind, in order with all others.
#include <algorithm>
#include <chrono>
#include <random>
#include <thread>

#include "storage_server/index/writer.h"
#include "tests/storage_server/index/index_fixture.h"
#include "tests/support/fault_vfs.h"

namespace sharestore {
namespace {

RecordedFlag new_flag() { return std::make_shared<std::atomic<bool>>(false); }

class UnwrittenTest : public IndexTest {
 protected:
  void SetUp() override {
    fault_vfs::install();
    fault_vfs::reset();
    kept_outside_ = KeptOutside::in_share_files;
    IndexTest::SetUp();
  }
  void TearDown() override { fault_vfs::reset(); }

  void upload(std::uint64_t n, ShareNumber number, RecordedFlag flag) {
    must(index_->finish_upload(share_id(n, number), immutable_info(number),
                               client_lease(1, 9000, 0), 60, std::move(flag)));
  }
  SlotUpdate write(std::uint64_t n, std::vector<ShareInfo> changed, RecordedFlag flag) {
    SlotUpdate update;
    update.storage_index = test_index(n);
    for (ShareInfo& info : changed) {
      update.leased.push_back(info.number);
      update.changed.push_back(std::move(info));
    }
    update.lease = client_lease(1, 5000);
    update.now = 100;
    update.recorded = std::move(flag);
    return update;
  }
};

TEST_F(UnwrittenTest, An_upload_is_seen_at_once_and_durable_after_a_sync) {
  const RecordedFlag flag = new_flag();
  upload(1, 3, flag);
  const Slot slot = must(index_->find(test_index(1)));
  ASSERT_EQ(slot.shares.size(), 1u);
  EXPECT_EQ(slot.shares[0].info, immutable_info(3));
  EXPECT_EQ(slot.shares[0].state, ShareState::present);
  EXPECT_EQ(slot.shares[0].first_write, 60);
  EXPECT_FALSE(slot.doubtful);
  EXPECT_EQ(must(index_->leases(share_id(1, 3))), Leases{client_lease(1, 9000, 0)});
  EXPECT_TRUE(must(index_->find(test_index(2))).shares.empty());
  EXPECT_EQ(index_->leases(share_id(1, 4)).error().code(), Errc::not_found);

  must(index_->sync());
  EXPECT_TRUE(*flag);
  EXPECT_EQ(index_->totals().immutable_shares, 1u);
  EXPECT_EQ(must(index_->find(test_index(1))).shares, slot.shares);
  crash_and_open();
  EXPECT_EQ(must(index_->find(test_index(1))).shares, slot.shares);
  EXPECT_EQ(must(index_->leases(share_id(1, 3))), Leases{client_lease(1, 9000, 0)});
  expect_exact_totals();
}

TEST_F(UnwrittenTest, Nobody_need_ask_for_it) {
  const RecordedFlag flag = new_flag();
  upload(1, 0, flag);
  // The writer's own time: no clock of the test drives it.
  while (!*flag) std::this_thread::yield();
  crash_and_open();
  EXPECT_EQ(must(index_->find(test_index(1))).shares.size(), 1u);
}

TEST_F(UnwrittenTest, A_stop_writes_it_and_a_crash_may_undo_it) {
  const RecordedFlag flag = new_flag();
  upload(1, 0, flag);
  stop();
  EXPECT_TRUE(*flag);
  open();
  EXPECT_EQ(must(index_->find(test_index(1))).shares.size(), 1u);

  fault_vfs::fill_disk_after(0);
  const RecordedFlag lost = new_flag();
  upload(2, 0, lost);
  crash();
  fault_vfs::reset();
  open();
  EXPECT_FALSE(*lost);
  EXPECT_TRUE(must(index_->find(test_index(2))).shares.empty());
}

TEST_F(UnwrittenTest, It_is_in_order_with_what_is_awaited) {
  const RecordedFlag flag = new_flag();
  upload(1, 0, flag);
  must(index_->forget(share_id(1)));
  EXPECT_TRUE(*flag);
  EXPECT_TRUE(must(index_->find(test_index(1))).shares.empty());

  upload(2, 0, new_flag());
  EXPECT_EQ(must(index_->add_or_renew(test_index(2), {}, client_lease(1, 9500))).renewed, 1u);
  EXPECT_EQ(must(index_->leases(share_id(2)))[0].expires_at, 9500);

  upload(3, 0, new_flag());
  EXPECT_TRUE(must(index_->renew(test_index(3), client_lease(1, 9500))));
  EXPECT_EQ(must(index_->leases(share_id(3)))[0].expires_at, 9500);

  must(index_->finish_slot_write(write(4, {mutable_info(0)}, new_flag())));
  EXPECT_FALSE(must(index_->claim_expired(share_id(4), 4000)));
  EXPECT_TRUE(must(index_->claim_expired(share_id(4), 6000)));
  EXPECT_EQ(must(index_->find(test_index(4))).shares[0].state, ShareState::going);
  expect_exact_totals();
}

TEST_F(UnwrittenTest, A_mutable_write_ends_the_doubt) {
  must(index_->begin_slot_writes({test_index(4)}));
  ASSERT_TRUE(must(index_->find(test_index(4))).doubtful);
  must(index_->finish_slot_write(write(4, {mutable_info(0), mutable_info(1)}, new_flag())));
  EXPECT_FALSE(must(index_->find(test_index(4))).doubtful);
  must(index_->begin_slot_writes({test_index(4)}));
  EXPECT_TRUE(must(index_->find(test_index(4))).doubtful) << "the next one is doubtful again";
}

TEST_F(UnwrittenTest, Many_are_one_transaction) {
  const std::uint64_t before = fault_vfs::syncs();
  const auto begun = std::chrono::steady_clock::now();
  std::vector<RecordedFlag> flags;
  // One a millisecond: the writer could keep up with each.
  for (std::uint64_t n = 0; n < 400; ++n) {
    const RecordedFlag flag = new_flag();
    upload(n, 0, flag);
    flags.push_back(flag);
    while (std::chrono::steady_clock::now() < begun + std::chrono::milliseconds(n)) {
      std::this_thread::yield();
    }
  }
  must(index_->sync());
  EXPECT_TRUE(std::ranges::all_of(flags, [](const auto& flag) { return flag->load(); }));
  // One each time that their wait was over, however slow the machine is.
  const auto waits = (std::chrono::steady_clock::now() - begun) / index_db::kWriteBehind;
  EXPECT_LE(fault_vfs::syncs() - before, 3 + static_cast<std::uint64_t>(waits));
  EXPECT_EQ(index_->totals().immutable_shares, 400u);
}

TEST_F(UnwrittenTest, More_than_the_queue_holds_wait_for_room) {
  stop();
  IndexOptions small = options();
  small.max_queued_writes = 3;
  index_ = must(FullIndex::open_full(small, clock_));
  std::vector<RecordedFlag> flags;
  for (std::uint64_t n = 0; n < 20; ++n) upload(n, 0, flags.emplace_back(new_flag()));
  for (std::uint64_t n = 0; n < 20; ++n) {
    EXPECT_EQ(must(index_->find(test_index(n))).shares.size(), 1u);
  }
  must(index_->sync());
  EXPECT_TRUE(std::ranges::all_of(flags, [](const auto& flag) { return flag->load(); }));
}

// What is laid over rows is what the transaction makes of them.
TEST_F(UnwrittenTest, Reads_before_and_after_writing_agree) {
  std::mt19937_64 random(20261127);
  const auto below = [&random](std::uint64_t n) { return random() % n; };
  for (int round = 0; round < 60; ++round) {
    for (int i = 0; i < 12; ++i) {
      const std::uint64_t n = below(6);
      SlotUpdate update = write(n, {}, new_flag());
      update.now = 100 + round;
      update.lease = client_lease(below(3), 5000 + static_cast<std::int64_t>(below(100)));
      for (ShareNumber number = 0; number < 4; ++number) {
        switch (below(5)) {
          case 0:
            update.changed.push_back(mutable_info(number, below(1000)));
            if (below(2) == 0) update.changed.back().enabler_digest.reset();
            if (below(3) != 0) update.leased.push_back(number);
            break;
          case 1: update.removed.push_back(number); break;
          default: break;
        }
      }
      must(index_->finish_slot_write(std::move(update)));
      if (below(10) == 0) (void)wait(index_->set_state(share_id(n, 0), ShareState::lost));
    }
    std::vector<Slot> before;
    std::vector<std::optional<Leases>> leases_before;
    const auto leases_of = [this](ShareId share) -> std::optional<Leases> {
      auto leases = index_->leases(share);
      if (!leases) return std::nullopt;
      return *leases;
    };
    for (std::uint64_t n = 0; n < 6; ++n) {
      before.push_back(must(index_->find(test_index(n))));
      for (ShareNumber number = 0; number < 4; ++number) {
        leases_before.push_back(leases_of(share_id(n, number)));
      }
    }
    must(index_->sync());
    for (std::uint64_t n = 0; n < 6; ++n) {
      const Slot after = must(index_->find(test_index(n)));
      EXPECT_EQ(before[n].shares, after.shares) << round << " " << n;
      EXPECT_EQ(before[n].doubtful, after.doubtful);
      for (ShareNumber number = 0; number < 4; ++number) {
        EXPECT_EQ(leases_before[n * 4 + number], leases_of(share_id(n, number)));
      }
    }
    expect_exact_totals();
  }
}

}  // namespace
}  // namespace sharestore
