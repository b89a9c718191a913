#include "config/environment.h"

#include <string_view>

extern "C" char** environ;  // NOLINT(readability-redundant-declaration): POSIX leaves it to us

namespace sharestore {

Environment current_environment() {
  Environment result;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view line(*entry);
    const auto equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    result.insert_or_assign(std::string(line.substr(0, equals)),
                            std::string(line.substr(equals + 1)));
  }
  return result;
}

}  // namespace sharestore
