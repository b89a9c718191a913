#include "storage_server/grid/negotiation.h"

#include <fmt/format.h>
#include <sodium.h>

#include <charconv>
#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>

#include "config/text.h"

namespace sharestore::grid {

namespace {

constexpr std::uint64_t kBananaVersion = 3;
constexpr std::uint64_t kVocabularyTable = 1;
// First digits of the SHA-1 of the words of table 1, and of those of the empty table 0.
constexpr std::string_view kTableSum = "bb33";
constexpr std::string_view kEmptyTableSum = "da39";

using Lines = std::map<std::string, std::string, std::less<>>;

std::unexpected<Error> bad(std::string_view what) {
  return fail(Errc::invalid_argument, fmt::format("the peer's negotiation {}", what));
}

Result<Lines> parse_lines(std::string_view block) {
  Lines lines;
  while (!block.empty()) {
    const std::size_t end = block.find("\r\n");
    const std::string_view line = block.substr(0, end);
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return bad("has a line without a colon");
    if (!lines.emplace(ascii_lower(line.substr(0, colon)), trim(line.substr(colon + 1))).second) {
      return bad("has a line twice");
    }
    block.remove_prefix(end == std::string_view::npos ? block.size() : end + 2);
  }
  if (const auto error = lines.find("error"); error != lines.end()) {
    return fail(Errc::unavailable, fmt::format("the peer refuses: {}", in_quotes(error->second)));
  }
  return lines;
}

std::optional<std::string_view> value_of(const Lines& lines, std::string_view key) {
  const auto found = lines.find(key);
  if (found == lines.end()) return std::nullopt;
  return found->second;
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Whether "low high" holds `wanted`; nothing if it is no range.
std::optional<bool> range_has(std::string_view range, std::uint64_t wanted) {
  const auto words = split(range, ' ');
  if (words.size() != 2) return std::nullopt;
  const auto low = number(words[0]);
  const auto high = number(words[1]);
  if (!low || !high) return std::nullopt;
  return *low <= wanted && wanted <= *high;
}

}  // namespace

std::string make_incarnation() {
  if (sodium_init() < 0) throw std::runtime_error("libsodium does not start");
  std::uint64_t random = 0;
  randombytes_buf(&random, sizeof random);
  return fmt::format("{:016x}", random);
}

std::string hello_block(std::string_view tub_id, std::string_view incarnation) {
  return fmt::format(
      "banana-negotiation-range: {0} {0}\r\n"
      "initial-vocab-table-range: 0 {1}\r\n"
      "last-connection: none 0\r\n"
      "my-incarnation: {2}\r\n"
      "my-tub-id: {3}\r\n"
      "\r\n",
      kBananaVersion, kVocabularyTable, incarnation, tub_id);
}

Result<Hello> parse_hello(std::string_view block, std::string_view expected_tub_id) {
  const auto lines = parse_lines(block);
  if (!lines) return fail(lines.error());
  const auto versions = value_of(*lines, "banana-negotiation-range");
  if (!versions) return bad("names no versions");
  const auto known = range_has(*versions, kBananaVersion);
  if (!known) return bad("has no range of versions");
  if (!*known) {
    return fail(Errc::unsupported,
                fmt::format("the peer does not speak version {} of Banana", kBananaVersion));
  }
  Hello hello;
  hello.tub_id = value_of(*lines, "my-tub-id").value_or("");
  if (hello.tub_id != expected_tub_id) {
    return fail(Errc::unauthorized, "the peer names another tub id than the FURL");
  }
  if (const auto tables = value_of(*lines, "initial-vocab-table-range")) {
    const auto offered = range_has(*tables, kVocabularyTable);
    if (!offered) return bad("has no range of vocabularies");
    hello.offers_vocabulary = *offered;
  }
  return hello;
}

std::string decision_block(std::string_view incarnation, bool vocabulary) {
  return fmt::format(
      "banana-decision-version: {}\r\n"
      "current-connection: {} 1\r\n"
      "initial-vocab-table-index: {} {}\r\n"
      "\r\n",
      kBananaVersion, incarnation, vocabulary ? kVocabularyTable : 0,
      vocabulary ? kTableSum : kEmptyTableSum);
}

Result<bool> parse_decision(std::string_view block) {
  const auto lines = parse_lines(block);
  if (!lines) return fail(lines.error());
  const auto version = value_of(*lines, "banana-decision-version");
  if (!version || number(*version) != kBananaVersion) return bad("decides for another version");
  const auto table = value_of(*lines, "initial-vocab-table-index");
  if (!table) return false;
  const auto words = split(*table, ' ');
  const auto index = number(words[0]);
  if (!index || *index > kVocabularyTable) return bad("decides for an unknown vocabulary");
  if (*index != kVocabularyTable) return false;
  if (words.size() != 2 || words[1] != kTableSum) return bad("has another vocabulary than ours");
  return true;
}

}  // namespace sharestore::grid
