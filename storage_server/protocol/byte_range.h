// Range of byte reads and Content-Range of uploads, read as the reference reads them.
//
// Pure functions; any thread. Facts: gbs-protocol.md section 3, endpoints 4, 7 and 10.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sharestore {

// Both ends are part of it, begin <= last. Numbers beyond 64 bits are held as 2^64 - 1.
struct RequestedRange {
  std::uint64_t begin = 0;
  std::uint64_t last = 0;
  bool operator==(const RequestedRange&) const = default;
};

// "bytes=0-9": exactly one range with both ends. Nothing for everything else.
std::optional<RequestedRange> parse_range(std::string_view header);

// "bytes 0-9/10" or "bytes 0-9/*"; the total only has to lie beyond the beginning. Nothing for
// everything else.
std::optional<RequestedRange> parse_content_range(std::string_view header);

// "Content-Range: bytes 0-9/*\r\n". The total is never told, as the reference does.
std::string content_range_line(std::uint64_t begin, std::uint64_t last);

}  // namespace sharestore
