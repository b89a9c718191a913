// What every operation that may wait is told: until when, and for whom.
//
// A value; passed on by value. Children only narrow the deadline.
#pragma once

#include <algorithm>
#include <cstdint>

#include "backends/core/clock.h"

namespace sharestore {

class OpContext {
 public:
  // `clock` must outlive every copy.
  OpContext(Clock& clock, Monotonic deadline, std::uint64_t request_id = 0)
      : clock_(&clock), deadline_(deadline), request_id_(request_id) {}

  Clock& clock() const { return *clock_; }
  Monotonic deadline() const { return deadline_; }
  std::uint64_t request_id() const { return request_id_; }

  Duration remaining() const { return deadline_ - clock_->now(); }
  bool expired() const { return remaining() <= Duration::zero(); }

  // The same with a deadline no later than `deadline`.
  OpContext narrowed(Monotonic deadline) const {
    return {*clock_, std::min(deadline_, deadline), request_id_};
  }
  // The same with at most `budget` left from now on.
  OpContext narrowed_by(Duration budget) const { return narrowed(clock_->now() + budget); }

 private:
  Clock* clock_;
  Monotonic deadline_;
  std::uint64_t request_id_;
};

}  // namespace sharestore
