// The time that a request may take on our account: waiting for the client's bytes does not count.
//
// A value of one request.
#pragma once

#include "backends/core/limits.h"
#include "backends/core/op_context.h"

namespace sharestore {

class OwnTime {
 public:
  explicit OwnTime(const OpContext& request)
      : clock_(&request.clock()), request_id_(request.request_id()) {}

  // For an operation that begins now; the deadline is what is left of limits::kRequestBudget.
  OpContext start() {
    started_ = clock_->now();
    return {*clock_, started_ + left_, request_id_};
  }
  // The operation has ended.
  void stop() { left_ -= clock_->now() - started_; }

 private:
  Clock* clock_;
  std::uint64_t request_id_;
  Duration left_ = limits::kRequestBudget;
  Monotonic started_{};
};

}  // namespace sharestore
