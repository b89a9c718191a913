// What is repeated, when, and how often: without a network.
#include "backends/http/retry_policy.h"

#include <gtest/gtest.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "backends/http/request_limiter.h"
#include "tests/support/fake_clock.h"
#include "tests/support/run_task.h"

namespace sharestore::http_client {
namespace {

using Kind = HttpFailure::Kind;

Verdict verdict(Kind kind, bool sent, bool idempotent) {
  return classify(HttpFailure{kind, sent, ""}, idempotent);
}

TEST(Classify, RepeatsWhatWasNotSentOrMayBeDoneTwice) {
  EXPECT_EQ(verdict(Kind::cannot_resolve, false, false), Verdict::retry);
  EXPECT_EQ(verdict(Kind::cannot_connect, false, false), Verdict::retry);
  EXPECT_EQ(verdict(Kind::broken, false, false), Verdict::retry);
  EXPECT_EQ(verdict(Kind::broken, true, true), Verdict::retry);
  EXPECT_EQ(verdict(Kind::no_answer, true, true), Verdict::retry);
  EXPECT_EQ(verdict(Kind::broken, true, false), Verdict::final);
  EXPECT_EQ(verdict(Kind::stalled, true, false), Verdict::final);
}

// W38: a mistake of ours, or of the configuration, is not repeated for twelve seconds.
TEST(Classify, DoesNotRepeatWhatCannotHelp) {
  for (const Kind kind : {Kind::untrusted, Kind::deadline, Kind::cancelled, Kind::too_large,
                          Kind::unreadable_body, Kind::other}) {
    EXPECT_EQ(verdict(kind, false, true), Verdict::final);
  }
  for (const int status : {400, 401, 403, 404, 409, 412, 501}) {
    EXPECT_EQ(classify_status(status, true), Verdict::final) << status;
  }
}

TEST(Classify, ThrottlingIsNotTheSameAsFailing) {
  EXPECT_EQ(classify_status(503, false), Verdict::throttle);
  EXPECT_EQ(classify_status(429, false), Verdict::throttle);
  EXPECT_EQ(classify_status(500, true), Verdict::retry);
  EXPECT_EQ(classify_status(500, false), Verdict::final);
}

TEST(RetryPolicy, PausesGrowWithinTheirBoundsAndNeverPassTheDeadline) {
  FakeClock clock;
  double drawn = 0;
  RetryOptions options;
  options.random = [&drawn]() { return drawn; };
  options.max_attempts = 100;
  {
    RetryPolicy least(options);
    for (int i = 0; i < 5; ++i) {
      EXPECT_EQ(least.next_pause(clock.context(), {}), options.first_pause_ms);
    }
  }
  drawn = 0.999999;
  RetryPolicy most(options);
  Duration last = options.first_pause_ms;
  for (int i = 0; i < 10; ++i) {
    const auto pause = most.next_pause(clock.context(), {});
    ASSERT_TRUE(pause);
    EXPECT_GE(*pause, last);
    EXPECT_LE(*pause, std::min<Duration>(last * 3, options.longest_pause_ms));
    last = *pause;
  }
  EXPECT_EQ(last, options.longest_pause_ms);
  EXPECT_FALSE(most.next_pause(clock.context(options.longest_pause_ms), {}));
}

TEST(RetryPolicy, EndsAfterItsAttempts) {
  FakeClock clock;
  RetryOptions options;
  options.max_attempts = 3;
  RetryPolicy policy(options);
  EXPECT_TRUE(policy.next_pause(clock.context(), {}));
  EXPECT_TRUE(policy.next_pause(clock.context(), {}));
  EXPECT_FALSE(policy.next_pause(clock.context(), {}));
}

TEST(Dates, AreNoneWhereTheClockCannotHoldThem) {
  EXPECT_EQ(parse_date("Thu, 01 Jan 1970 00:01:00 GMT"), WallTime(std::chrono::minutes(1)));
  EXPECT_EQ(parse_date("20231114 22:13:20 GMT"), WallTime(std::chrono::seconds(1'700'000'000)));
  EXPECT_EQ(parse_date("Sun, 14 Nov 1621 22:13:20 GMT"), std::nullopt);
  EXPECT_EQ(parse_date("Mon, 14 Nov 4046 22:13:20 GMT"), std::nullopt);
  EXPECT_EQ(parse_date("yesterday"), std::nullopt);
  EXPECT_EQ(parse_date(""), std::nullopt);
}

TEST(RetryPolicy, HonoursRetryAfterWithinReason) {
  FakeClock clock;
  const RetryOptions options;
  RetryPolicy policy(options);
  EXPECT_EQ(policy.next_pause(clock.context(), std::chrono::seconds(7)), std::chrono::seconds(7));
  EXPECT_EQ(policy.next_pause(clock.context(), std::chrono::seconds(86400)),
            options.longest_retry_after_s);
  HttpResponse response;
  EXPECT_FALSE(retry_after(response));
  response.headers = {{"Retry-After", "Tue, 14 Nov 2023 22:13:50 GMT"},
                      {"Date", "Tue, 14 Nov 2023 22:13:20 GMT"}};
  EXPECT_EQ(retry_after(response), std::chrono::seconds(30));
  response.headers = {{"Retry-After", "Tue, 14 Nov 2023 22:13:00 GMT"},
                      {"Date", "Tue, 14 Nov 2023 22:13:20 GMT"}};
  EXPECT_EQ(retry_after(response), std::chrono::seconds(0));
  response.headers = {{"retry-after", "12"}};
  EXPECT_EQ(retry_after(response), std::chrono::seconds(12));
  response.headers = {{"Retry-After", "Fri, 20 Nov 2026 23:07:31 GMT"}};
  EXPECT_FALSE(retry_after(response));
}

TEST(RetryBudget, AllowsATenthAndAReserve) {
  RetryBudget budget;
  FakeClock clock;
  int taken = 0;
  while (budget.take(clock.now())) ++taken;
  EXPECT_EQ(taken, static_cast<int>(RetryBudget::kReserve));
  for (int i = 0; i < 21; ++i) budget.request_begun();
  EXPECT_TRUE(budget.take(clock.now()));
  EXPECT_TRUE(budget.take(clock.now()));
  EXPECT_FALSE(budget.take(clock.now()));
  clock.advance(std::chrono::seconds(3));
  EXPECT_TRUE(budget.take(clock.now()));
}

TEST(RequestLimiter, HalvesOncePerSecondAndGrowsSlowly) {
  FakeClock clock;
  RequestLimiter limiter(16);
  limiter.throttled(clock.now());
  limiter.throttled(clock.now());
  EXPECT_EQ(limiter.limit(), 8u) << "answers to one burst count once";
  clock.advance(std::chrono::seconds(2));
  limiter.throttled(clock.now());
  EXPECT_EQ(limiter.limit(), 4u);
  for (int i = 0; i < 4; ++i) limiter.served();
  EXPECT_EQ(limiter.limit(), 5u);
  for (int i = 0; i < 1000; ++i) limiter.served();
  EXPECT_EQ(limiter.limit(), 16u);
  for (int i = 0; i < 10; ++i) {
    clock.advance(std::chrono::seconds(2));
    limiter.throttled(clock.now());
  }
  EXPECT_EQ(limiter.limit(), 1u);
}

// W7: no more than so many at once; the others wait their turn, or until their deadline.
TEST(RequestLimiter, MakesOthersWait) {
  FakeClock clock;
  RequestLimiter limiter(1);
  boost::asio::io_context loop(1);
  auto first = run_task(limiter.acquire(clock.context()));
  ASSERT_TRUE(first);
  bool second_has_it = false;
  auto second = [&]() -> boost::asio::awaitable<void> {
    auto permit = co_await limiter.acquire(clock.context());
    second_has_it = permit.has_value();
  };
  std::optional<Errc> third_error;
  auto third = [&]() -> boost::asio::awaitable<void> {
    auto permit = co_await limiter.acquire(clock.context(std::chrono::seconds(5)));
    if (!permit) third_error = permit.error().code();
  };
  boost::asio::co_spawn(loop, second, boost::asio::detached);
  boost::asio::co_spawn(loop, third, boost::asio::detached);
  loop.poll();
  EXPECT_FALSE(second_has_it);
  clock.advance(std::chrono::seconds(6));
  loop.poll();
  EXPECT_EQ(third_error, Errc::timed_out);
  first->release();
  loop.restart();
  loop.poll();
  EXPECT_TRUE(second_has_it);
  EXPECT_EQ(limiter.in_use(), 0u);
}

}  // namespace
}  // namespace sharestore::http_client
