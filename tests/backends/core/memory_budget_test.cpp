#include "backends/core/memory_budget.h"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <thread>

#include "tests/support/fake_clock.h"

namespace sharestore {
namespace {

namespace asio = boost::asio;
using std::chrono::seconds;

class MemoryBudgetTest : public testing::Test {
 protected:
  struct Outcome {
    std::optional<Result<MemoryBudget::Ticket>> result;
    asio::cancellation_signal signal;
  };

  std::shared_ptr<Outcome> start(std::size_t bytes, Duration budget = seconds(10)) {
    auto outcome = std::make_shared<Outcome>();
    asio::co_spawn(
        loop_,
        [](MemoryBudget& memory, std::size_t wanted, OpContext context,
           std::shared_ptr<Outcome> out) -> asio::awaitable<void> {
          out->result.emplace(co_await memory.acquire(wanted, context));
        }(memory_, bytes, clock_.context(budget), outcome),
        asio::bind_cancellation_slot(outcome->signal.slot(), [outcome](std::exception_ptr) {}));
    poll();
    return outcome;
  }
  void poll() {
    loop_.restart();
    loop_.poll();
  }

  FakeClock clock_;
  asio::io_context loop_{1};
  MemoryBudget memory_{100, 2};
};

TEST_F(MemoryBudgetTest, TicketsAddUpAndAreGivenBack) {
  auto first = memory_.try_acquire(60);
  ASSERT_TRUE(first);
  EXPECT_FALSE(memory_.try_acquire(41));
  auto second = memory_.try_acquire(40);
  ASSERT_TRUE(second);
  EXPECT_TRUE(memory_.spent());
  first->shrink_to(10);
  EXPECT_EQ(memory_.used_bytes(), 50u);
  first->shrink_to(60);  // never grows
  EXPECT_EQ(memory_.used_bytes(), 50u);
  second = std::nullopt;
  first->release();
  EXPECT_EQ(memory_.used_bytes(), 0u);
  EXPECT_EQ(memory_.peak_bytes(), 100u);
}

TEST_F(MemoryBudgetTest, ChargeMayGoAboveTheLimit) {
  auto whole = memory_.charge(100);
  auto more = memory_.charge(20);
  EXPECT_EQ(memory_.used_bytes(), 120u);
  more.release();
  EXPECT_FALSE(memory_.try_acquire(1));
}

TEST_F(MemoryBudgetTest, FirstComeFirstServedWhateverTheSizes) {
  auto held = memory_.try_acquire(90);
  auto large = start(50);
  auto small = start(10);
  EXPECT_FALSE(large->result);
  EXPECT_FALSE(small->result) << "a later, smaller one must not overtake";
  EXPECT_FALSE(memory_.try_acquire(1)) << "nor may one that does not wait";
  EXPECT_EQ(memory_.waiters(), 2u);
  held->release();
  poll();
  ASSERT_TRUE(large->result && large->result->has_value());
  ASSERT_TRUE(small->result && small->result->has_value());
  EXPECT_EQ(memory_.used_bytes(), 60u);
}

TEST_F(MemoryBudgetTest, RefusesWhatCanNeverFitAndTooManyWaiters) {
  auto never = start(101);
  ASSERT_TRUE(never->result);
  EXPECT_EQ(never->result->error().code(), Errc::too_large);
  auto held = memory_.try_acquire(100);
  auto first = start(1);
  auto second = start(1);
  auto third = start(1);
  ASSERT_TRUE(third->result);
  EXPECT_EQ(third->result->error().code(), Errc::busy);
  held->release();
  poll();
  EXPECT_TRUE(first->result && second->result);
}

TEST_F(MemoryBudgetTest, ADeadlineEndsTheWaitAndLetsTheNextOneIn) {
  auto held = memory_.try_acquire(60);
  auto large = start(80, seconds(5));
  auto small = start(40, seconds(50));
  EXPECT_FALSE(small->result);
  clock_.advance(seconds(5));
  poll();
  ASSERT_TRUE(large->result);
  EXPECT_EQ(large->result->error().code(), Errc::timed_out);
  ASSERT_TRUE(small->result && small->result->has_value());
}

TEST_F(MemoryBudgetTest, CancellingTheCoroutineEndsTheWait) {
  auto held = memory_.try_acquire(100);
  auto waiting = start(1);
  EXPECT_EQ(memory_.waiters(), 1u);
  waiting->signal.emit(asio::cancellation_type::terminal);
  poll();
  EXPECT_EQ(memory_.waiters(), 0u);
  held->release();
  EXPECT_EQ(memory_.used_bytes(), 0u) << "nothing may stay charged for the cancelled one";
}

TEST_F(MemoryBudgetTest, TicketsOutliveTheBudget) {
  auto memory = std::make_unique<MemoryBudget>(10);
  auto ticket = memory->try_acquire(10);
  memory.reset();
  ticket->release();
  EXPECT_EQ(ticket->bytes(), 0u);
}

TEST(MemoryBudgetThreads, GrantsCrossThreadsAndNothingIsLost) {
  constexpr int kThreads = 3;
  constexpr int kRounds = 300;
  FakeClock clock;
  MemoryBudget memory(50);
  std::atomic<int> done = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      asio::io_context loop(1);
      for (int k = 0; k < 4; ++k) {
        asio::co_spawn(
            loop,
            [](MemoryBudget& budget, FakeClock& time, std::atomic<int>& count,
               std::size_t bytes) -> asio::awaitable<void> {
              for (int i = 0; i < kRounds; ++i) {
                auto ticket = co_await budget.acquire(bytes, time.context());
                if (!ticket) co_return;
                ++count;
                co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
              }
            }(memory, clock, done, static_cast<std::size_t>(7 + 5 * t + k)),
            asio::detached);
      }
      loop.run();
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(done, kThreads * 4 * kRounds);
  EXPECT_EQ(memory.used_bytes(), 0u);
  EXPECT_LE(memory.peak_bytes(), 50u);
}

}  // namespace
}  // namespace sharestore
