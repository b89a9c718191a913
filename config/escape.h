// Writing values into a `tahoe.cfg` so that they read back as they were.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "config/text.h"

namespace sharestore {

// The text to write after "key = ": every '%' doubled. None when the dialect cannot hold the value:
// one with line breaks or other control characters, or with white space at either end.
inline std::optional<std::string> escape_ini_value(std::string_view value) {
  if (value != trim(value) || std::ranges::any_of(value, is_ascii_control)) return std::nullopt;
  std::string result;
  for (const char c : value) result.append(c == '%' ? 2 : 1, c);
  return result;
}

}  // namespace sharestore
