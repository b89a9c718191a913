// A NURL as the load tool needs it: where to connect, which key to expect, what to present.
//
// Pure functions, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "backends/core/error.h"

namespace sharestore::load {

struct Target {
  std::string spki_hash;  // base64url of SHA-256 of the server's public key, 43 characters
  std::string host;       // an IPv4 address
  std::uint16_t port = 0;
  std::string swissnum;
};

// "pb://<spki>@<IPv4 address or localhost>:<port>/<swissnum>#v=1". invalid_argument otherwise.
Result<Target> parse_nurl(std::string_view nurl);

}  // namespace sharestore::load
