// The value grammars of `tahoe.cfg`: booleans, numbers, sizes, durations, dates.
//
// Pure functions, any thread. A failure is `invalid_argument`; its sentence shows the value and
// what was expected, and the caller adds file, line, section and key.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "backends/core/error.h"

namespace sharestore {

// Largest size that any key takes: what a signed 64-bit offset can hold.
inline constexpr std::uint64_t kMaxSizeBytes = (std::uint64_t{1} << 63) - 1;
// Largest duration: beyond it, adding to a date would leave the calendar.
inline constexpr std::chrono::seconds kMaxDuration{std::int64_t{1000} * 365 * 86'400};

// 1 yes true on, 0 no false off, in any case.
Result<bool> parse_boolean(std::string_view text);

// Decimal digits, within [min, max].
Result<std::uint64_t> parse_number(std::string_view text, std::uint64_t min, std::uint64_t max);

// Digits, then optionally K M G T P E, optionally I (powers of 1024 instead of 1000), optionally B,
// in any case, with or without spaces before the unit. An empty text means "not set".
Result<std::optional<std::uint64_t>> parse_size(std::string_view text);

// Digits and a unit: s second(s) day(s) mo month(s) year(s); a month has 31 days, a year 365.
Result<std::chrono::seconds> parse_duration(std::string_view text);

// YYYY-MM-DD, as midnight UTC.
Result<std::chrono::sys_seconds> parse_date(std::string_view text);

}  // namespace sharestore
