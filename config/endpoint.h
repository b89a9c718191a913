// Where the node listens (`tub.port`, `web.port`) and where clients are told to find it
// (`tub.location`).
//
// Plain values, any thread. Grammar: Twisted endpoint strings, Foolscap connection hints.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/core/error.h"

namespace sharestore {

// Most listeners and most hints that one key may name.
inline constexpr std::size_t kMaxEndpoints = 16;
inline constexpr std::size_t kMaxLocationHints = 32;

struct ListenEndpoint {
  enum class Kind : std::uint8_t { tcp4, tcp6, unix_socket };

  Kind kind = Kind::tcp4;
  // Numeric address to bind; empty means every address of the family.
  std::string interface;
  // 1..65535, 0 for a unix socket.
  std::uint16_t port = 0;
  int backlog = 0;  // 0: the server's own choice
  // For a unix socket only.
  std::string path;
  std::optional<std::uint32_t> mode;

  bool operator==(const ListenEndpoint&) const = default;
};

struct LocationHint {
  enum class Kind : std::uint8_t {
    tcp,        // host and port
    tor,        // host and port of an onion service run outside this program
    i2p,        // carried into the FURL as written
    automatic,  // "AUTO": every local address, with the port of the listener
  };

  Kind kind = Kind::tcp;
  std::string host;  // without brackets
  std::uint16_t port = 0;
  // The hint in Foolscap's current form, as it goes into a FURL ("tcp:example.org:3457");
  // a legacy "host:port" is rewritten to it. Empty for `automatic`.
  std::string text;

  bool operator==(const LocationHint&) const = default;
};

// Parses a comma list of endpoints: "tcp:3457:interface=127.0.0.1", "tcp6:3457",
// "unix:/path:mode=660", bare digits. At least one; port 0 is refused. Errors are
// `invalid_argument`, or `unsupported` for kinds that exist but that this node cannot serve
// (listen:tor, listen:i2p, ssl:, systemd:). "disabled" is not an endpoint: the caller decides what
// it means for its key.
Result<std::vector<ListenEndpoint>> parse_listen_endpoints(std::string_view text);

// Parses a comma list of location hints. At least one. Errors are `invalid_argument`.
Result<std::vector<LocationHint>> parse_location_hints(std::string_view text);

}  // namespace sharestore
