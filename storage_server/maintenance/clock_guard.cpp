#include "storage_server/maintenance/clock_guard.h"

#include <cstdlib>
#include <utility>

namespace sharestore {

namespace {

constexpr const char* kLastTick = "clock.last_tick";
constexpr const char* kDoubt = "clock.doubt";

std::int64_t seconds_of(std::chrono::nanoseconds duration) {
  return std::chrono::duration_cast<std::chrono::seconds>(duration).count();
}

}  // namespace

Task<void> ClockGuard::start() {
  base_wall_ = clock_.utc_now();
  base_ = clock_.now();
  auto last = index_.get_value(kLastTick);
  auto doubt = index_.get_value(kDoubt);
  if (!last) co_return fail(last.error());
  if (!doubt) co_return fail(doubt.error());
  if (doubt->has_value() && !(*doubt)->empty()) co_return co_await hold(**doubt);
  doubt_.clear();
  if (last->has_value()) {
    const std::int64_t tick = std::strtoll((*last)->c_str(), nullptr, 10);
    const std::int64_t gap = unix_seconds(base_wall_) - tick;
    if (gap > seconds_of(kMaxGap)) {
      co_return co_await hold("by the clock the node was off for " + std::to_string(gap / 86400) +
                              " days");
    }
    if (gap < -seconds_of(kMaxJump)) {
      co_return co_await hold("the clock is " + std::to_string(-gap / 3600) +
                              " hours behind where it was");
    }
  }
  co_return co_await record();
}

Task<void> ClockGuard::tick() {
  const Duration by_monotonic = clock_.now() - base_;
  const auto by_wall = std::chrono::duration_cast<Duration>(clock_.utc_now() - base_wall_);
  const Duration drift = by_wall - by_monotonic;
  if (drift > kMaxJump || drift < -kMaxJump) {
    base_wall_ = clock_.utc_now();
    base_ = clock_.now();
    co_return co_await hold("the clock jumped by " + std::to_string(seconds_of(drift) / 3600) +
                            " hours");
  }
  if (held_since_ && clock_.now() - *held_since_ >= kHold) co_return co_await release();
  co_return co_await record();
}

Task<void> ClockGuard::accept() {
  base_wall_ = clock_.utc_now();
  base_ = clock_.now();
  co_return co_await release();
}

Task<void> ClockGuard::hold(std::string reason) {
  held_since_ = clock_.now();
  doubt_ = std::move(reason);
  auto kept = co_await index_.set_value(kDoubt, doubt_);
  if (!kept) co_return kept;
  co_return co_await record();
}

Task<void> ClockGuard::release() {
  auto kept = co_await index_.set_value(kDoubt, "");
  if (!kept) co_return kept;
  held_since_.reset();
  doubt_.clear();
  co_return co_await record();
}

Task<void> ClockGuard::record() {
  co_return co_await index_.set_value(kLastTick, std::to_string(unix_seconds(clock_.utc_now())));
}

}  // namespace sharestore
