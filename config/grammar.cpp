#include "config/grammar.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <string>
#include <utility>

#include "config/text.h"

namespace sharestore {

namespace {

std::unexpected<Error> not_a(std::string_view text, std::string_view what,
                             std::string_view expected) {
  return fail(Errc::invalid_argument,
              fmt::format("{} is not {}; expected {}", in_quotes(text), what, expected));
}

constexpr std::string_view kSizeExpectation =
    "digits with an optional unit K, M, G, T, P, E (powers of 1000) or Ki, Mi, Gi, Ti, Pi, Ei "
    "(powers of 1024), such as 100M or 1GiB";
constexpr std::string_view kDurationExpectation =
    "a whole number and a unit (seconds, days, months, years), such as '60 days'";

std::size_t leading_digits(std::string_view text) {
  std::size_t count = 0;
  while (count < text.size() && is_ascii_digit(text[count])) ++count;
  return count;
}

// None on overflow.
std::optional<std::uint64_t> to_number(std::string_view digits) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> multiply(std::uint64_t a, std::uint64_t b, std::uint64_t max) {
  if (b != 0 && a > max / b) return std::nullopt;
  return a * b;
}

// The factor that a size's unit stands for, none when it is no unit.
std::optional<std::uint64_t> size_factor(std::string_view unit) {
  constexpr std::string_view kScales = "kmgtpe";
  std::string_view rest = unit;
  std::size_t power = 0;
  if (!rest.empty()) {
    const auto at = kScales.find(rest[0]);
    if (at != std::string_view::npos) {
      power = at + 1;
      rest.remove_prefix(1);
    }
  }
  std::uint64_t base = 1000;
  if (rest.starts_with('i')) {
    base = 1024;
    rest.remove_prefix(1);
  }
  if (rest.starts_with('b')) rest.remove_prefix(1);
  if (!rest.empty()) return std::nullopt;
  std::uint64_t factor = 1;
  for (std::size_t i = 0; i < power; ++i) factor *= base;
  return factor;
}

}  // namespace

Result<bool> parse_boolean(std::string_view text) {
  const std::string word = ascii_lower(text);
  for (const char* yes : {"1", "yes", "true", "on"}) {
    if (word == yes) return true;
  }
  for (const char* no : {"0", "no", "false", "off"}) {
    if (word == no) return false;
  }
  return not_a(text, "a boolean", "true or false (also yes, no, on, off, 1, 0)");
}

Result<std::uint64_t> parse_number(std::string_view text, std::uint64_t min, std::uint64_t max) {
  const auto value = all_digits(text) ? to_number(text) : std::nullopt;
  if (!value || *value < min || *value > max) {
    return not_a(text, "a number in range", fmt::format("a whole number from {} to {}", min, max));
  }
  return *value;
}

Result<std::optional<std::uint64_t>> parse_size(std::string_view text) {
  const std::string_view content = trim(text);
  if (content.empty()) return std::nullopt;
  const std::size_t digits = leading_digits(content);
  const auto factor = size_factor(ascii_lower(trim(content.substr(digits))));
  if (digits == 0 || !factor) return not_a(text, "a size", kSizeExpectation);
  const auto number = to_number(content.substr(0, digits));
  const auto bytes = number ? multiply(*number, *factor, kMaxSizeBytes) : std::nullopt;
  if (!bytes) return not_a(text, "a size in range", fmt::format("at most {} bytes", kMaxSizeBytes));
  return bytes;
}

Result<std::chrono::seconds> parse_duration(std::string_view text) {
  constexpr std::uint64_t kDay = 86'400;
  constexpr std::array<std::pair<std::string_view, std::uint64_t>, 10> kUnits{{
      {"s", 1},
      {"second", 1},
      {"seconds", 1},
      {"day", kDay},
      {"days", kDay},
      {"mo", 31 * kDay},
      {"month", 31 * kDay},
      {"months", 31 * kDay},
      {"year", 365 * kDay},
      {"years", 365 * kDay},
  }};
  const std::string_view content = trim(text);
  const std::size_t digits = leading_digits(content);
  const std::string unit = ascii_lower(trim(content.substr(digits)));
  for (const auto& [name, seconds] : kUnits) {
    if (digits == 0 || unit != name) continue;
    const auto number = to_number(content.substr(0, digits));
    const auto total =
        number ? multiply(*number, seconds, static_cast<std::uint64_t>(kMaxDuration.count()))
               : std::nullopt;
    if (!total) return not_a(text, "a duration in range", "at most 1000 years");
    return std::chrono::seconds(static_cast<std::int64_t>(*total));
  }
  return not_a(text, "a duration", kDurationExpectation);
}

Result<std::chrono::sys_seconds> parse_date(std::string_view text) {
  const std::string_view content = trim(text);
  const auto parts = split(content, '-');
  const auto digits_of = [](std::string_view digits) {
    return static_cast<int>(to_number(digits).value_or(0));
  };
  if (parts.size() == 3 && parts[0].size() == 4 && parts[1].size() == 2 && parts[2].size() == 2 &&
      all_digits(parts[0]) && all_digits(parts[1]) && all_digits(parts[2])) {
    const std::chrono::year_month_day date{
        std::chrono::year(digits_of(parts[0])),
        std::chrono::month(static_cast<unsigned>(digits_of(parts[1]))),
        std::chrono::day(static_cast<unsigned>(digits_of(parts[2])))};
    if (date.ok()) return std::chrono::sys_seconds(std::chrono::sys_days(date));
  }
  return not_a(text, "a date", "YYYY-MM-DD, such as 2026-01-31");
}

}  // namespace sharestore
