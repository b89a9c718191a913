#include "storage_server/protocol/media_types.h"

#include <algorithm>
#include <cstddef>
#include <tuple>

#include "config/text.h"

namespace sharestore {

namespace {

// Cuts what stands before `separator` off the front of `text`.
std::string_view take_until(std::string_view& text, char separator) {
  const std::size_t at = text.find(separator);
  const std::string_view part = text.substr(0, at);
  text = at == std::string_view::npos ? std::string_view() : text.substr(at + 1);
  return trim(part);
}

// "0.5" as 500000; digits after the sixth do not matter. Not a number: 0.
unsigned parse_quality(std::string_view text) {
  constexpr unsigned kOne = 1'000'000;
  unsigned whole = 0;
  unsigned fraction = 0;
  unsigned place = kOne;
  bool point = false;
  for (const char c : text) {
    if (c == '.' && !point) {
      point = true;
    } else if (c < '0' || c > '9') {
      break;
    } else if (point) {
      place /= 10;
      fraction += place * static_cast<unsigned>(c - '0');
    } else {
      whole = std::min(1U, whole + static_cast<unsigned>(c - '0'));
    }
  }
  return std::min(kOne, whole * kOne + fraction);
}

struct MediaRange {
  std::string_view type;
  std::size_t parameters = 0;
  unsigned quality = 1'000'000;

  auto rank() const {
    const std::size_t slash = std::min(type.find('/'), type.size());
    const bool exact_type = type.substr(0, slash) != "*";
    const bool exact_subtype = slash < type.size() && type.substr(slash + 1) != "*";
    return std::tuple(exact_type, exact_subtype, parameters, quality);
  }
};

MediaRange parse_range(std::string_view text) {
  MediaRange range;
  range.type = take_until(text, ';');
  while (text.data() != nullptr) {
    const std::string_view parameter = take_until(text, ';');
    if (parameter.starts_with("q=")) {
      range.quality = parse_quality(parameter.substr(2));
      break;  // what follows the weight are extensions
    }
    if (!parameter.empty()) ++range.parameters;
  }
  return range;
}

}  // namespace

bool is_cbor_request(const http::Request& request) {
  const auto given = request.first_header("content-type");
  if (!given) return true;
  std::string_view text = *given;
  return take_until(text, ';') == kCborType;
}

bool accepts_cbor(const http::Request& request) {
  const auto accept = request.first_header("accept");
  return !accept || accepts_cbor(*accept);
}

bool accepts_cbor(std::string_view accept) {
  if (accept == kCborType) return true;
  MediaRange best;
  while (!accept.empty()) {
    const MediaRange range = parse_range(take_until(accept, ','));
    if (!range.type.empty() && (best.type.empty() || best.rank() < range.rank())) best = range;
  }
  return best.parameters == 0 && (best.type == kCborType || best.type == "*/*");
}

}  // namespace sharestore
