#include "backends/http/http_message.h"

#include <curl/curl.h>

#include <algorithm>

namespace sharestore::http_client {

namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

Errc code_of(HttpFailure::Kind kind) {
  using Kind = HttpFailure::Kind;
  switch (kind) {
    case Kind::no_answer:
    case Kind::stalled:
    case Kind::deadline: return Errc::timed_out;
    case Kind::cancelled: return Errc::cancelled;
    case Kind::too_large: return Errc::too_large;
    case Kind::unreadable_body: return Errc::io_error;
    default: return Errc::unavailable;
  }
}

}  // namespace

std::string_view HttpResponse::header(std::string_view name) const {
  for (const auto& [held, value] : headers) {
    if (std::ranges::equal(held, name, {}, lower, lower)) return value;
  }
  return {};
}

Error to_error(const HttpFailure& failure) {
  return {code_of(failure.kind), failure.message, !failure.sent};
}

std::optional<WallTime> parse_date(const std::string& text) {
  const time_t parsed = text.empty() ? -1 : curl_getdate(text.c_str(), nullptr);
  // Servers may name years that the clock cannot count to, forwards or back.
  constexpr auto kLast =
      std::chrono::floor<std::chrono::seconds>(WallTime::max()).time_since_epoch().count();
  if (parsed < 0 || parsed > kLast) return std::nullopt;
  return std::chrono::system_clock::from_time_t(parsed);
}

std::string origin_of(std::string_view url) {
  const auto scheme = url.find("://");
  const auto path = url.find_first_of("/?", scheme == std::string_view::npos ? 0 : scheme + 3);
  return std::string(url.substr(0, path));
}

}  // namespace sharestore::http_client
