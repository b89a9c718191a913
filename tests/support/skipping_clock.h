// A clock for code that pauses between requests: a pause passes at once and is counted.
//
// Any thread. On the loop of an HTTP client, whose sleeps are timeouts, nothing ever passes; nor
// does a sleep longer than `longest_pause` anywhere, for code that waits for something or its
// deadline.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <vector>

#include "backends/core/clock.h"
#include "backends/core/op_context.h"

namespace sharestore {

class SkippingClock final : public Clock {
 public:
  static constexpr std::int64_t kStart = 1'700'000'000;

  explicit SkippingClock(boost::asio::execution_context& client_loop,
                         Duration longest_pause = Duration::max())
      : client_loop_(client_loop), longest_pause_(longest_pause) {}

  WallTime utc_now() const override { return WallTime(std::chrono::seconds(kStart)) + skipped(); }
  Monotonic now() const override { return kOrigin + skipped(); }
  boost::asio::awaitable<void> sleep_until(Monotonic when) override {
    const auto executor = co_await boost::asio::this_coro::executor;
    if (&boost::asio::query(executor, boost::asio::execution::context) == &client_loop_ ||
        when - now() > longest_pause_) {
      boost::asio::steady_timer never(executor, Monotonic::max());
      co_await never.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
      co_return;
    }
    const std::lock_guard hold(mutex_);
    const Duration before = skipped_;
    skipped_ = std::max(skipped_, when - kOrigin);
    pauses_.push_back(std::chrono::duration_cast<std::chrono::milliseconds>(skipped_ - before));
  }

  std::vector<std::chrono::milliseconds> pauses() const {
    const std::lock_guard hold(mutex_);
    return pauses_;
  }
  OpContext context(Duration budget = std::chrono::seconds(60)) { return {*this, now() + budget}; }

 private:
  static constexpr Monotonic kOrigin{std::chrono::hours(1000)};

  Duration skipped() const {
    const std::lock_guard hold(mutex_);
    return skipped_;
  }

  boost::asio::execution_context& client_loop_;
  const Duration longest_pause_;
  mutable std::mutex mutex_;
  Duration skipped_{0};
  std::vector<std::chrono::milliseconds> pauses_;
};

}  // namespace sharestore
