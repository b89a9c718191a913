#include "storage_server/protocol/byte_range.h"

#include <fmt/format.h>

#include <cstddef>
#include <limits>

#include "config/text.h"

namespace sharestore {

namespace {

// A decimal number of any length: its digits without leading zeros.
std::optional<std::string_view> digits_of(std::string_view text) {
  text = trim(text);
  if (!all_digits(text)) return std::nullopt;
  const std::size_t first = text.find_first_not_of('0');
  return first == std::string_view::npos ? text.substr(text.size() - 1) : text.substr(first);
}

bool less(std::string_view a, std::string_view b) {
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

std::uint64_t saturated(std::string_view digits) {
  constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t value = 0;
  for (const char c : digits) {
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (value > (kMax - digit) / 10) return kMax;
    value = value * 10 + digit;
  }
  return value;
}

struct DigitRange {
  std::string_view begin;
  std::string_view last;
  RequestedRange value() const { return {saturated(begin), saturated(last)}; }
};

// "0-9"; "5-2" is none.
std::optional<DigitRange> parse_ends(std::string_view text) {
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto begin = digits_of(text.substr(0, dash));
  const auto last = digits_of(text.substr(dash + 1));
  if (!begin || !last || less(*last, *begin)) return std::nullopt;
  return DigitRange{*begin, *last};
}

bool is_bytes_in_any_case(std::string_view text) {
  constexpr std::string_view kLower = "bytes";
  if (text.size() != kLower.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) | 0x20U) != static_cast<unsigned char>(kLower[i])) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::optional<RequestedRange> parse_range(std::string_view header) {
  const std::size_t equals = header.find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  if (!is_bytes_in_any_case(trim(header.substr(0, equals)))) return std::nullopt;
  const auto ends = parse_ends(header.substr(equals + 1));
  if (!ends) return std::nullopt;
  return ends->value();
}

std::optional<RequestedRange> parse_content_range(std::string_view header) {
  header = trim(header);
  const std::size_t blank = header.find_first_of(" \t");
  if (blank == std::string_view::npos || header.substr(0, blank) != "bytes") return std::nullopt;
  header = trim(header.substr(blank));
  const std::size_t slash = header.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto ends = parse_ends(header.substr(0, slash));
  if (!ends) return std::nullopt;
  if (header.substr(slash + 1) != "*") {
    const auto total = digits_of(header.substr(slash + 1));
    if (!total || !less(ends->begin, *total)) return std::nullopt;
  }
  return ends->value();
}

std::string content_range_line(std::uint64_t begin, std::uint64_t last) {
  return fmt::format("Content-Range: bytes {}-{}/*\r\n", begin, last);
}

}  // namespace sharestore
