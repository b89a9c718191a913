#include "backends/openstack/iso_time.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <string>

namespace sharestore::openstack {

namespace {

// Nanoseconds in 64 bits reach from 1677 to 2262.
constexpr int kFirstYear = 1970;
constexpr int kLastYear = 2200;

// ".25", cut to milliseconds; takes it off the front.
std::chrono::milliseconds take_fraction(std::string_view& text) {
  if (!text.starts_with('.')) return {};
  const auto end = std::min(text.find_first_not_of("0123456789", 1), text.size());
  std::string digits(text.substr(1, std::min<std::size_t>(end - 1, 3)));
  digits.resize(3, '0');
  text.remove_prefix(end);
  int value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return std::chrono::milliseconds(value);
}

}  // namespace

std::optional<WallTime> parse_iso_time(std::string_view text) {
  const std::string copy(text);
  int year = 0;
  unsigned month = 0, day = 0, hour = 0, minute = 0, second = 0;
  int used = 0;
  if (std::sscanf(copy.c_str(), "%4d-%2u-%2uT%2u:%2u:%2u%n", &year, &month, &day, &hour, &minute,
                  &second, &used) != 6) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month),
                                         std::chrono::day(day)};
  if (year < kFirstYear || year > kLastYear || !date.ok() || hour > 23 || minute > 59 ||
      second > 60)
    return std::nullopt;
  std::string_view rest = std::string_view(copy).substr(static_cast<std::size_t>(used));
  const auto fraction = take_fraction(rest);
  std::chrono::minutes zone{0};
  if (!rest.empty() && rest != "Z") {
    char sign = 0;
    unsigned hours = 0, minutes = 0;
    const std::string zone_text(rest);
    if (std::sscanf(zone_text.c_str(), "%c%2u:%2u", &sign, &hours, &minutes) != 3 ||
        (sign != '+' && sign != '-') || hours > 14 || minutes > 59) {
      return std::nullopt;
    }
    zone = std::chrono::hours(hours) + std::chrono::minutes(minutes);
    if (sign == '-') zone = -zone;
  }
  return std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second) + fraction - zone;
}

}  // namespace sharestore::openstack
