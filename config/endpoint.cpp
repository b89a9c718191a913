#include "config/endpoint.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "config/text.h"

namespace sharestore {

namespace {

constexpr std::size_t kMaxUnixPathBytes = 107;  // sun_path of Linux less its end
constexpr int kMaxBacklog = 65'535;

std::unexpected<Error> bad(std::string_view what, std::string_view sentence) {
  return fail(Errc::invalid_argument, fmt::format("{}: {}", in_quotes(what), sentence));
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

bool is_ipv4(const std::string& text) {
  in_addr address{};
  return ::inet_pton(AF_INET, text.c_str(), &address) == 1;
}

bool is_ipv6(const std::string& text) {
  in6_addr address{};
  return ::inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

// "kind:positional:key=value" with '\' before a colon that belongs to a value.
struct Description {
  std::string kind;
  std::vector<std::string> positional;
  std::map<std::string, std::string, std::less<>> named;
};

Description parse_description(std::string_view text) {
  std::vector<std::string> fields(1);
  std::vector<std::size_t> equals(1, std::string::npos);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) {
      fields.back() += text[++i];
    } else if (text[i] == ':') {
      fields.emplace_back();
      equals.push_back(std::string::npos);
    } else {
      if (text[i] == '=' && equals.back() == std::string::npos)
        equals.back() = fields.back().size();
      fields.back() += text[i];
    }
  }
  Description result;
  result.kind = fields[0];
  for (std::size_t i = 1; i < fields.size(); ++i) {
    if (equals[i] == std::string::npos) {
      result.positional.push_back(fields[i]);
    } else {
      result.named.insert_or_assign(fields[i].substr(0, equals[i]),
                                    fields[i].substr(equals[i] + 1));
    }
  }
  return result;
}

// Takes a field by position or by name; each may be given once.
Result<std::string> take(Description& description, std::string_view text, std::size_t position,
                         std::string_view name) {
  std::string value;
  const auto named = description.named.find(name);
  const bool has_position = position < description.positional.size();
  if (named != description.named.end()) {
    if (has_position) return bad(text, fmt::format("'{}' is given twice", name));
    value = named->second;
    description.named.erase(named);
  } else if (has_position) {
    value = description.positional[position];
  }
  return value;
}

Result<ListenEndpoint> parse_tcp(Description description, std::string_view text) {
  ListenEndpoint endpoint;
  endpoint.kind =
      description.kind == "tcp6" ? ListenEndpoint::Kind::tcp6 : ListenEndpoint::Kind::tcp4;
  if (description.positional.size() > 3) return bad(text, "it has too many fields");
  auto port = take(description, text, 0, "port");
  auto interface = take(description, text, 1, "interface");
  auto backlog = take(description, text, 2, "backlog");
  for (const auto* field : {&port, &interface, &backlog}) {
    if (!*field) return fail(field->error());
  }
  if (!description.named.empty()) {
    return bad(text, fmt::format("unknown field {}; expected port, interface or backlog",
                                 in_quotes(description.named.begin()->first)));
  }
  const auto number = parse_port(*port);
  if (!number) {
    return bad(text,
               "expected a port from 1 to 65535, such as tcp:3457 (port 0 cannot be announced)");
  }
  endpoint.port = *number;
  endpoint.interface = *interface;
  const bool six = endpoint.kind == ListenEndpoint::Kind::tcp6;
  if (endpoint.interface == "localhost") endpoint.interface = six ? "::1" : "127.0.0.1";
  if (is_ipv6(endpoint.interface)) {
    endpoint.kind = ListenEndpoint::Kind::tcp6;
  } else if (!endpoint.interface.empty() && (six || !is_ipv4(endpoint.interface))) {
    return bad(text,
               "expected a numeric address as interface, such as interface=127.0.0.1 (in an "
               "IPv6 address write '\\:' for each ':')");
  }
  if (!backlog->empty()) {
    int value = 0;
    const auto* last = backlog->data() + backlog->size();
    const auto [end, error] = std::from_chars(backlog->data(), last, value);
    if (error != std::errc() || end != last || value < 1 || value > kMaxBacklog) {
      return bad(text, fmt::format("expected a backlog from 1 to {}", kMaxBacklog));
    }
    endpoint.backlog = value;
  }
  return endpoint;
}

Result<ListenEndpoint> parse_unix(Description description, std::string_view text) {
  ListenEndpoint endpoint;
  endpoint.kind = ListenEndpoint::Kind::unix_socket;
  if (description.positional.size() > 1) return bad(text, "it has too many fields");
  auto path = take(description, text, 0, "address");
  if (!path) return fail(path.error());
  if (path->empty() || path->size() > kMaxUnixPathBytes) {
    return bad(text, fmt::format("expected the path of a socket, at most {} bytes, such as "
                                 "unix:/run/sharestore/web.sock",
                                 kMaxUnixPathBytes));
  }
  endpoint.path = *path;
  if (const auto mode = description.named.find("mode"); mode != description.named.end()) {
    const std::string& digits = mode->second;
    std::uint32_t value = 0;
    const auto* last = digits.data() + digits.size();
    const auto [end, error] = std::from_chars(digits.data(), last, value, 8);
    if (error != std::errc() || end != last || value > 0777) {
      return bad(text, "expected an octal mode up to 777, such as mode=660");
    }
    endpoint.mode = value;
    description.named.erase(mode);
  }
  description.named.erase("lockfile");  // Twisted's own way to clear stale sockets
  if (!description.named.empty()) {
    return bad(text, fmt::format("unknown field {}; expected mode",
                                 in_quotes(description.named.begin()->first)));
  }
  return endpoint;
}

Result<ListenEndpoint> parse_endpoint(std::string_view text) {
  if (all_digits(text)) return parse_tcp({"tcp", {std::string(text)}, {}}, text);
  Description description = parse_description(text);
  const std::string kind = description.kind;
  if (kind == "tcp" || kind == "tcp6") return parse_tcp(std::move(description), text);
  if (kind == "unix") return parse_unix(std::move(description), text);
  if (kind == "listen" || kind == "onion") {
    return fail(Errc::unsupported,
                fmt::format("{} is not supported: this node starts no onion or I2P service; run "
                            "one beside it that forwards to a tcp endpoint on 127.0.0.1, listen "
                            "there, and name the service in tub.location",
                            in_quotes(text)));
  }
  if (kind == "ssl" || kind == "systemd" || kind == "fd") {
    return fail(Errc::unsupported,
                fmt::format("{} is not supported: expected tcp:, tcp6: or unix:", in_quotes(text)));
  }
  return bad(text,
             "expected a port or an endpoint such as tcp:3457, "
             "tcp:3457:interface=127.0.0.1, tcp6:3457 or unix:/path");
}

// Splits "host:port" or "[v6]:port".
bool split_host_port(std::string_view text, std::string& host, std::uint16_t& port) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return false;
  const auto number = parse_port(text.substr(colon + 1));
  std::string_view name = text.substr(0, colon);
  if (!number) return false;
  port = *number;
  if (name.starts_with('[') && name.ends_with(']')) {
    host = name.substr(1, name.size() - 2);
    return is_ipv6(host);
  }
  host = name;
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return is_ascii_letter(c) || is_ascii_digit(c) || c == '.' || c == '-' || c == '_';
  });
}

Result<LocationHint> parse_hint(std::string_view text) {
  LocationHint hint;
  hint.text = text;
  if (text == "AUTO") {
    hint.kind = LocationHint::Kind::automatic;
    hint.text.clear();
    return hint;
  }
  if (text.starts_with("i2p:")) {
    hint.kind = LocationHint::Kind::i2p;
    hint.host = text.substr(4);
    if (hint.host.empty() || has_control_or_space(hint.host) || hint.host.contains('/')) {
      return bad(text, "expected an I2P destination, such as i2p:name.b32.i2p:3457");
    }
    return hint;
  }
  std::string_view rest = text;
  if (text.starts_with("tor:")) {
    hint.kind = LocationHint::Kind::tor;
    rest.remove_prefix(4);
  } else if (text.starts_with("tcp:")) {
    rest.remove_prefix(4);
  } else {
    hint.text = fmt::format("tcp:{}", text);
  }
  if (!split_host_port(rest, hint.host, hint.port)) {
    return bad(text,
               "expected a hint tcp:HOST:PORT or tor:HOST:PORT, such as "
               "tcp:node.example.org:3457, or AUTO");
  }
  return hint;
}

}  // namespace

Result<std::vector<ListenEndpoint>> parse_listen_endpoints(std::string_view text) {
  std::vector<ListenEndpoint> endpoints;
  for (const std::string_view piece : split(text, ',')) {
    if (endpoints.size() == kMaxEndpoints) {
      return bad(text, fmt::format("expected at most {} endpoints", kMaxEndpoints));
    }
    auto endpoint = parse_endpoint(trim(piece));
    if (!endpoint) return fail(endpoint.error());
    endpoints.push_back(std::move(*endpoint));
  }
  return endpoints;
}

Result<std::vector<LocationHint>> parse_location_hints(std::string_view text) {
  std::vector<LocationHint> hints;
  for (const std::string_view piece : split(text, ',')) {
    if (hints.size() == kMaxLocationHints) {
      return bad(text, fmt::format("expected at most {} hints", kMaxLocationHints));
    }
    auto hint = parse_hint(trim(piece));
    if (!hint) return fail(hint.error());
    hints.push_back(std::move(*hint));
  }
  return hints;
}

}  // namespace sharestore
