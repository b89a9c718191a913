// Bytes as hexadecimal digits.
//
// Pure; any thread.
#pragma once

#include <string>
#include <string_view>

namespace sharestore {

// Two lower-case digits for each byte.
std::string hex(std::string_view bytes);

}  // namespace sharestore
