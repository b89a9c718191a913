#include "storage_server/web/human.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <array>
#include <cstddef>
#include <ctime>

namespace sharestore::web {

namespace {

constexpr std::int64_t kMinute = 60;
constexpr std::int64_t kHour = 60 * kMinute;
constexpr std::int64_t kDay = 24 * kHour;

}  // namespace

std::string human_bytes(std::uint64_t bytes) {
  constexpr std::array kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  auto value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  // 1023.95 would be shown as 1024.0.
  for (; value >= 1023.95 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  return fmt::format("{:.1f} {}", value, kUnits.at(unit));
}

std::string human_count(std::uint64_t count) {
  std::string text = std::to_string(count);
  for (std::size_t i = text.size(); i > 3; i -= 3) text.insert(i - 3, " ");
  return text;
}

std::string human_span(std::int64_t seconds) {
  if (seconds < 2 * kMinute) return fmt::format("{} s", seconds);
  if (seconds < 2 * kHour) return fmt::format("{} min", seconds / kMinute);
  if (seconds < 2 * kDay) return fmt::format("{} h", seconds / kHour);
  return fmt::format("{} days", seconds / kDay);
}

std::string human_latency(double seconds) {
  if (seconds < 0.001) return fmt::format("{:.0f} µs", seconds * 1e6);
  if (seconds < 1) return fmt::format("{:.1f} ms", seconds * 1000);
  return fmt::format("{:.1f} s", seconds);
}

std::string human_time(std::int64_t unix_time, std::int64_t now) {
  if (unix_time == 0) return "never";
  const auto moment = static_cast<std::time_t>(unix_time);
  std::tm utc{};
  if (::gmtime_r(&moment, &utc) == nullptr) return "at no time that can be written";
  const std::string text = fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", utc);
  return unix_time > now ? fmt::format("{} (in {})", text, human_span(unix_time - now))
                         : fmt::format("{} ({} ago)", text, human_span(now - unix_time));
}

}  // namespace sharestore::web
