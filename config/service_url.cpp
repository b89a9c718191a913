#include "config/service_url.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "config/text.h"

namespace sharestore {

namespace {

constexpr std::size_t kMaxHostBytes = 253;  // DNS

std::unexpected<Error> bad(std::string_view text, std::string_view sentence) {
  return fail(Errc::invalid_argument,
              fmt::format("{} is not a usable URL: {}", in_quotes(text), sentence));
}

bool is_host_name(std::string_view host) {
  return !host.empty() && host.size() <= kMaxHostBytes && std::ranges::all_of(host, [](char c) {
    return is_ascii_letter(c) || is_ascii_digit(c) || c == '.' || c == '-' || c == '_';
  });
}

}  // namespace

Result<ServiceUrl> parse_service_url(std::string_view text) {
  ServiceUrl url;
  const auto scheme_end = text.find("://");
  const std::string scheme =
      scheme_end == std::string_view::npos ? "" : ascii_lower(text.substr(0, scheme_end));
  if (scheme != "http" && scheme != "https") {
    return bad(text, "expected http:// or https:// and a host, such as https://store.example.org");
  }
  url.tls = scheme == "https";
  std::string_view rest = text.substr(scheme_end + 3);
  const auto authority_end = rest.find_first_of("/?#");
  std::string_view authority = rest.substr(0, authority_end);
  rest.remove_prefix(authority.size());
  if (authority.contains('@')) {
    return fail(Errc::invalid_argument,
                "the URL holds a user or password; expected none (secrets live in private/)");
  }
  if (has_control_or_space(text)) return bad(text, "expected no spaces and no control characters");
  if (rest.contains('?') || rest.contains('#')) {
    return bad(text, "expected neither a query nor a fragment");
  }
  std::string_view port;
  if (authority.starts_with('[')) {
    const auto close = authority.find(']');
    url.host = ascii_lower(authority.substr(1, close == std::string_view::npos ? 0 : close - 1));
    in6_addr address{};
    if (::inet_pton(AF_INET6, url.host.c_str(), &address) != 1) {
      return bad(text, "expected an IPv6 address between '[' and ']'");
    }
    port = authority.substr(close + 1);
  } else {
    const auto colon = authority.find(':');
    url.host = ascii_lower(authority.substr(0, colon));
    if (!is_host_name(url.host)) return bad(text, "expected a host name or address");
    port = colon == std::string_view::npos ? "" : authority.substr(colon);
  }
  url.port = url.tls ? 443 : 80;
  if (!port.empty()) {
    const char* const last = port.data() + port.size();
    const auto [end, error] = std::from_chars(port.data() + 1, last, url.port);
    if (port[0] != ':' || error != std::errc() || end != last || url.port == 0) {
      return bad(text, "expected a port from 1 to 65535");
    }
    url.port_was_given = true;
  }
  while (rest.ends_with('/')) rest.remove_suffix(1);
  url.path = rest;
  return url;
}

std::string ServiceUrl::to_string() const {
  const bool six = host.contains(':');
  std::string result =
      fmt::format("{}://{}{}{}", tls ? "https" : "http", six ? "[" : "", host, six ? "]" : "");
  if (port != (tls ? 443 : 80)) result += fmt::format(":{}", port);
  return result + path;
}

bool ServiceUrl::is_loopback() const {
  in_addr address{};
  if (::inet_pton(AF_INET, host.c_str(), &address) == 1) return ntohl(address.s_addr) >> 24 == 127;
  return host == "localhost" || host == "::1";
}

}  // namespace sharestore
