// Figures as people read them, on pages and in commands.
//
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <string>

namespace sharestore::web {

// "312 B", "1.5 GiB".
std::string human_bytes(std::uint64_t bytes);
// "1 234 567".
std::string human_count(std::uint64_t count);
// A duration in the largest unit that suits it: "45 s", "12 min", "31 h", "9 days".
std::string human_span(std::int64_t seconds);
// A short duration of one operation: "350 µs", "12.5 ms", "1.2 s".
std::string human_latency(double seconds);
// "2026-11-25 17:03:12 UTC (4 min ago)"; "never" for 0.
std::string human_time(std::int64_t unix_time, std::int64_t now);

}  // namespace sharestore::web
