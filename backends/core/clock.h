// Time, so that tests own it. Wall time for leases and signatures, monotonic time for deadlines.
//
// Any thread. A Clock outlives everything that was given it.
#pragma once

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>

namespace sharestore {

using Monotonic = std::chrono::steady_clock::time_point;
using WallTime = std::chrono::system_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

class Clock {
 public:
  virtual ~Clock() = default;

  // Wall time. May jump either way; never used for waiting.
  virtual WallTime utc_now() const = 0;
  // Monotonic time. Never jumps; the time of deadlines.
  virtual Monotonic now() const = 0;
  // Returns at `when` or earlier if the calling coroutine is cancelled; the caller looks at the
  // time or its own state, never at why it woke.
  virtual boost::asio::awaitable<void> sleep_until(Monotonic when) = 0;
};

// The machine's clocks.
class SystemClock final : public Clock {
 public:
  WallTime utc_now() const override { return std::chrono::system_clock::now(); }
  Monotonic now() const override { return std::chrono::steady_clock::now(); }
  boost::asio::awaitable<void> sleep_until(Monotonic when) override;
};

// Whole seconds since 1970, the unit of lease records.
inline std::int64_t unix_seconds(WallTime t) {
  return std::chrono::duration_cast<std::chrono::seconds>(t.time_since_epoch()).count();
}

}  // namespace sharestore
