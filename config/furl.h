// The shape of a Foolscap FURL: pb://<tubid>@<hints>/<name>.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "backends/core/error.h"

namespace sharestore {

inline constexpr std::size_t kMaxFurlBytes = 4096;

struct Furl {
  std::string tub_id;              // 32 characters of base32
  std::vector<std::string> hints;  // "tcp:host:port" and other kinds, unchecked; may be empty
  std::string name;                // the capability: keep it out of logs
};

// `invalid_argument` otherwise. The sentence never repeats the text, which is a capability.
Result<Furl> parse_furl(std::string_view text);

}  // namespace sharestore
