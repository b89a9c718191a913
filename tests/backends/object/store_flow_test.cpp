// How many bytes are let in while the store is slower than those who send them.
#include "backends/object/store_flow.h"

#include <gtest/gtest.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "tests/support/fake_clock.h"

namespace sharestore {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::uint64_t kPart = 1 << 20;

class Flow : public testing::Test {
 protected:
  struct Waiting {
    std::optional<Result<StoreFlow::Admission>> outcome;
    bool admitted() const { return outcome && *outcome; }
  };

  std::shared_ptr<Waiting> ask(std::uint64_t bytes, Duration budget = minutes(10)) {
    auto waiting = std::make_shared<Waiting>();
    const auto run = [](Flow& test, std::shared_ptr<Waiting> mine, std::uint64_t size,
                        OpContext context) -> boost::asio::awaitable<void> {
      mine->outcome = co_await test.flow_.admit(context, size);
    };
    boost::asio::co_spawn(loop_, run(*this, waiting, bytes, clock_.context(budget)),
                          boost::asio::detached);
    settle();
    return waiting;
  }
  void settle() {
    loop_.restart();
    loop_.poll();
  }
  void advance(Duration by) {
    clock_.advance(by);
    settle();
  }
  void sent(std::uint64_t bytes, Duration took) {
    auto transfer = flow_.begin_transfer(bytes);
    clock_.advance(took);
    transfer.taken();
  }

  FakeClock clock_;
  boost::asio::io_context loop_{1};
  StoreFlow flow_{loop_.get_executor(), clock_, kPart};
};

TEST_F(Flow, WhileNothingIsMeasuredTwoPartsGoAndTheOthersWaitForOneToBeGone) {
  auto first = ask(kPart);
  auto second = ask(kPart);
  auto third = ask(kPart);
  EXPECT_TRUE(first->admitted());
  EXPECT_TRUE(second->admitted());
  EXPECT_FALSE(third->outcome);
  EXPECT_EQ(flow_.admitted_bytes(), 2 * kPart);
  first->outcome.reset();
  settle();
  EXPECT_TRUE(third->admitted());
}

TEST_F(Flow, WhatTheStoreTakesInTwentySecondsIsLetIn) {
  sent(kPart, seconds(2));
  EXPECT_DOUBLE_EQ(flow_.bytes_per_second(), kPart / 2.0);
  std::vector<std::shared_ptr<Waiting>> asked;
  for (int i = 0; i < 12; ++i) asked.push_back(ask(kPart));
  for (int i = 0; i < 12; ++i) EXPECT_EQ(asked[i]->admitted(), i < 10) << i;
  // First come, first served; a smaller one does not go past the others.
  auto small = ask(StoreFlow::kLeastMeasuredBytes);
  EXPECT_FALSE(small->outcome);
  asked[4]->outcome.reset();
  settle();
  EXPECT_TRUE(asked[10]->admitted());
  EXPECT_FALSE(asked[11]->outcome);
  asked[7]->outcome.reset();
  settle();
  EXPECT_TRUE(asked[11]->admitted());
  EXPECT_FALSE(small->outcome);
  asked[0]->outcome.reset();
  settle();
  EXPECT_TRUE(small->admitted());
}

TEST_F(Flow, SomethingIsAlwaysLetInHoweverSlowTheStoreIs) {
  sent(kPart, minutes(10));
  auto first = ask(kPart);
  EXPECT_TRUE(first->admitted());
  auto second = ask(kPart);
  EXPECT_FALSE(second->outcome);
  first->outcome.reset();
  settle();
  EXPECT_TRUE(second->admitted());
}

TEST_F(Flow, AClientThatDoesNotSendHoldsNobodyUp) {
  auto idle = ask(kPart);
  auto quick = ask(kPart);
  (*quick->outcome)->filled();
  auto next = ask(kPart);
  EXPECT_FALSE(next->outcome);
  advance(StoreFlow::kFillTime - seconds(1));
  EXPECT_FALSE(next->outcome);
  advance(seconds(1));
  EXPECT_TRUE(next->admitted());
  EXPECT_EQ(flow_.admitted_bytes(), 2 * kPart);
  // It has sent after all.
  (*idle->outcome)->filled();
  EXPECT_EQ(flow_.admitted_bytes(), 3 * kPart);
  idle->outcome.reset();
  quick->outcome.reset();
  next->outcome.reset();
  EXPECT_EQ(flow_.admitted_bytes(), 0u);
}

TEST_F(Flow, WhoHasWaitedToItsDeadlineLeavesTheQueue) {
  auto first = ask(2 * kPart);
  (*first->outcome)->filled();
  auto hasty = ask(2 * kPart, seconds(5));
  auto patient = ask(kPart);
  advance(seconds(5));
  ASSERT_TRUE(hasty->outcome);
  EXPECT_EQ(hasty->outcome->error().code(), Errc::timed_out);
  EXPECT_FALSE(patient->outcome);
  first->outcome.reset();
  settle();
  EXPECT_TRUE(patient->admitted());
  EXPECT_EQ(flow_.admitted_bytes(), kPart);
}

TEST_F(Flow, BytesThatAreThereAlreadyCountButDoNotWait) {
  auto held = flow_.admit_now(5 * kPart);
  auto waiting = ask(kPart);
  EXPECT_FALSE(waiting->outcome);
  held = {};
  settle();
  EXPECT_TRUE(waiting->admitted());
}

TEST_F(Flow, WhatIsTooSmallToMatterWaitsForNobody) {
  auto held = flow_.admit_now(5 * kPart);
  auto waiting = ask(kPart);
  EXPECT_FALSE(waiting->outcome);
  auto small = ask(StoreFlow::kLeastMeasuredBytes - 1);
  EXPECT_TRUE(small->admitted());
  held = {};
  settle();
}

TEST_F(Flow, TransfersSideBySideAddUpAndSmallOnesSayNothing) {
  auto one = flow_.begin_transfer(kPart);
  auto other = std::make_unique<StoreFlow::Transfer>(flow_.begin_transfer(3 * kPart));
  clock_.advance(seconds(4));
  other->taken();
  other.reset();
  EXPECT_DOUBLE_EQ(flow_.bytes_per_second(), kPart * 3 / 4.0);
  sent(StoreFlow::kLeastMeasuredBytes - 1, seconds(0));
  EXPECT_DOUBLE_EQ(flow_.bytes_per_second(), kPart * 3 / 4.0);
}

// As many as are let in share a line of one part a second, and end together.
TEST_F(Flow, PartsThatEndTogetherAreNotTakenForAFasterStore) {
  sent(kPart, seconds(1));
  for (int crowd = 0; crowd < 6; ++crowd) {
    std::vector<StoreFlow::Admission> room;
    std::vector<StoreFlow::Transfer> transfers;
    for (auto asked = ask(kPart, seconds(1)); asked->admitted(); asked = ask(kPart, seconds(1))) {
      room.push_back(std::move(**asked->outcome));
      room.back().filled();
      transfers.push_back(flow_.begin_transfer(kPart));
    }
    const auto parts = static_cast<int>(transfers.size());
    EXPECT_GE(parts, 10) << crowd;
    EXPECT_LE(parts, 20) << crowd;
    advance(seconds(parts - 1));
    for (auto& transfer : transfers) {
      advance(seconds(1) / parts);
      transfer.taken();
      const StoreFlow::Transfer ends = std::move(transfer);
    }
    room.clear();
    settle();
  }
}

TEST_F(Flow, AStoreThatTakesNothingIsGivenLess) {
  sent(kPart, seconds(1));
  for (int i = 0; i < 10; ++i) {
    const auto failed = flow_.begin_transfer(kPart);
    clock_.advance(seconds(1));
  }
  EXPECT_LT(flow_.bytes_per_second(), 0.01 * kPart);
  EXPECT_TRUE(ask(kPart)->admitted());
}

TEST_F(Flow, AStoreThatHasBecomeSlowerIsFollowed) {
  sent(100 * kPart, seconds(10));
  for (int i = 0; i < 60; ++i) sent(kPart, seconds(1));
  EXPECT_LT(flow_.bytes_per_second(), 1.5 * kPart);
  EXPECT_GE(flow_.bytes_per_second(), 1.0 * kPart);
}

}  // namespace
}  // namespace sharestore
