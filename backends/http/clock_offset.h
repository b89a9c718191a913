// How far a server's clock is from ours, learnt from the `Date` of its answers.
//
// Any thread.
#pragma once

#include <chrono>
#include <mutex>
#include <optional>
#include <string>

#include "backends/core/clock.h"
#include "backends/http/http_message.h"

namespace sharestore::http_client {

// From this on the operator is warned, once until it has come back below half of it. Signed
// requests are refused from 15 minutes on.
inline constexpr std::chrono::seconds kClockWarning{60};

class ClockOffset {
 public:
  // `received`: our time when the answer was complete. An answer without a readable Date changes
  // nothing. Returns a sentence when the operator should be warned now.
  std::optional<std::string> learn(const HttpResponse& response, const std::string& origin,
                                   WallTime received);

  // Server time minus ours, as the last answer told, to a second; nothing: never told.
  std::optional<std::chrono::seconds> value() const;

  // From now on corrected() adds the offset, as far as it is known.
  void apply();
  bool applied() const;
  WallTime corrected(WallTime ours) const;

 private:
  mutable std::mutex mutex_;
  std::optional<std::chrono::seconds> offset_;
  bool applied_ = false;
  bool warned_ = false;
};

// "ours is 1200 s ahead of" and so on, for a sentence that goes on with the server's name.
std::string describe_offset(std::chrono::seconds offset);

}  // namespace sharestore::http_client
