#include "backends/http/clock_offset.h"

#include <fmt/format.h>

namespace sharestore::http_client {

std::optional<std::string> ClockOffset::learn(const HttpResponse& response,
                                              const std::string& origin, WallTime received) {
  const auto date = parse_date(std::string(response.header("Date")));
  if (!date) return std::nullopt;
  // The server wrote it when it began to answer. Date has whole seconds, cut: half of one is added.
  const auto began = received - (response.total_ms - response.first_byte_ms);
  const WallTime theirs = *date + std::chrono::milliseconds(500);
  const auto offset = std::chrono::round<std::chrono::seconds>(theirs - began);
  const std::lock_guard hold(mutex_);
  offset_ = offset;
  if (std::chrono::abs(offset) < kClockWarning / 2) warned_ = false;
  if (std::chrono::abs(offset) <= kClockWarning || warned_) return std::nullopt;
  warned_ = true;
  return fmt::format(
      "the clocks differ: ours is {} that of {}; a store refuses requests that are 15 minutes off: "
      "check the time of this machine",
      describe_offset(offset), origin);
}

std::optional<std::chrono::seconds> ClockOffset::value() const {
  const std::lock_guard hold(mutex_);
  return offset_;
}

void ClockOffset::apply() {
  const std::lock_guard hold(mutex_);
  applied_ = true;
}

bool ClockOffset::applied() const {
  const std::lock_guard hold(mutex_);
  return applied_;
}

WallTime ClockOffset::corrected(WallTime ours) const {
  const std::lock_guard hold(mutex_);
  return applied_ && offset_ ? ours + *offset_ : ours;
}

std::string describe_offset(std::chrono::seconds offset) {
  return fmt::format("{} s {}", std::chrono::abs(offset).count(),
                     offset.count() < 0 ? "ahead of" : "behind");
}

}  // namespace sharestore::http_client
