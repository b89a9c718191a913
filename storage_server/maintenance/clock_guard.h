// Whether the wall clock can be believed before shares are removed by it.
//
// It is not believed for kHold of uptime after it ran away from the monotonic clock by more than
// kMaxJump, or when the time since the last recorded tick is longer than kMaxGap or negative by
// more than kMaxJump (a node that was off that long waits too). A person who knows better says so:
// accept(). Both the ticks and the doubt survive restarts in the index's named values.
//
// Used by one coroutine at a time. The index and the clock outlive it.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "backends/core/clock.h"
#include "backends/core/task.h"
#include "storage_server/index/index.h"

namespace sharestore {

class ClockGuard {
 public:
  static constexpr std::chrono::hours kMaxJump{24};
  static constexpr std::chrono::hours kMaxGap{7 * 24};
  static constexpr std::chrono::hours kHold{24};

  ClockGuard(Index& index, Clock& clock) : index_(index), clock_(clock) {}

  // Compares with the last run; once, at start. Errors: those of the index; then removals wait.
  Task<void> start();
  // Looks at both clocks and records the time; about every minute.
  Task<void> tick();
  // The clock is right, whatever it did.
  Task<void> accept();

  // Not empty: why removals wait, one sentence.
  const std::string& doubt() const { return doubt_; }

 private:
  Task<void> hold(std::string reason);
  Task<void> release();
  Task<void> record();

  Index& index_;
  Clock& clock_;
  WallTime base_wall_;
  Monotonic base_;
  std::optional<Monotonic> held_since_;
  std::string doubt_ = "the clock has not been looked at yet";
};

}  // namespace sharestore
