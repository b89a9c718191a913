// Tells the operator of requests that were answered with 503 or 507: what a client meets and the
// node could not prevent shows in the log, however many there are, in one line a minute.
//
// Any thread.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "backends/core/clock.h"
#include "backends/core/error.h"

namespace sharestore {

class Refusals {
 public:
  // The first is told at once; those that follow within this time with the next one after it.
  static constexpr std::chrono::minutes kPause{1};

  // The line to log now, if any. `request`: method and path, without anything secret.
  std::optional<std::string> note(Monotonic now, int status, std::string_view request,
                                  const Error& error);

 private:
  std::mutex mutex_;
  std::optional<Monotonic> told_at_;
  std::uint64_t untold_ = 0;
};

}  // namespace sharestore
