// Renewals of leases that every share has already, which the index answers by itself.
#include <gtest/gtest.h>

#include <chrono>

#include "tests/storage_server/shares/share_store_fixture.h"

namespace sharestore {
namespace {

const ShareId kShare{kSlotA, 0};

class Renewals : public HookedStoreTest {
 protected:
  Renewals() {
    hooks_->before = [this](std::string_view call) -> Status {
      ++(call == "list" ? lists_ : others_);
      return {};
    };
  }
  // It counts in members of this class.
  ~Renewals() override { hooks_->before = nullptr; }

  Status lease(OpContext context, char renew) {
    return run(store_->add_lease(context, kSlotA, letter_secrets(renew, 'c')));
  }
  std::int64_t end_of_lease() { return leases(kShare).at(0).expires_at; }

  int lists_ = 0;
  int others_ = 0;
};

TEST_F(Renewals, NeedNoLockOfTheSlotAndAskNoStore) {
  put(kShare, "data");
  clock_.advance(std::chrono::hours(1));
  lists_ = others_ = 0;
  // The lock of a slot is not given to a request whose time has run out.
  const OpContext late(clock_, clock_.now());
  const Status added = lease(late, 'q');
  ASSERT_FALSE(added) << "a new lease takes the lock";
  ASSERT_EQ(added.error().code(), Errc::timed_out);
  ASSERT_TRUE(lease(late, 'r'));
  EXPECT_EQ(end_of_lease(), now() + kLeaseSeconds);
  EXPECT_EQ(leases(kShare).size(), 1u);
  EXPECT_EQ(lists_ + others_, 0);
}

TEST_F(Renewals, OfASlotInDoubtWaitUntilItIsSettled) {
  ASSERT_TRUE(read_test_write(kSlotA, writes(0, {{0, "data"}}))->success);
  clock_.advance(std::chrono::hours(1));
  ASSERT_TRUE(run(index_->begin_slot_writes({kSlotA})));
  lists_ = 0;
  ASSERT_TRUE(lease(context(), 'r'));
  EXPECT_EQ(lists_, 1);
  EXPECT_FALSE(index_->find(kSlotA)->doubtful);
  EXPECT_EQ(end_of_lease(), now() + kLeaseSeconds);
}

TEST_F(Renewals, OfASlotInDoubtAreNotBelievedBeforeTheStoreAnswers) {
  ASSERT_TRUE(read_test_write(kSlotA, writes(0, {{0, "data"}}))->success);
  ASSERT_TRUE(run(index_->begin_slot_writes({kSlotA})));
  ASSERT_TRUE(run(backend_->remove(context(), kShare)));
  const Status leased = lease(context(), 'r');
  ASSERT_FALSE(leased);
  EXPECT_EQ(leased.error().code(), Errc::not_found);
}

}  // namespace
}  // namespace sharestore
