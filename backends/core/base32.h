// RFC 4648 base32 in lower case without padding: the text form of storage indexes, tubids and keys.
//
// Pure functions; any thread.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace sharestore {

std::string base32_encode(std::string_view bytes);

// Strict: only a-z and 2-7, a length that base32 can have, spare bits zero. Nothing otherwise.
std::optional<std::string> base32_decode(std::string_view text);
// The same into memory of the caller, which must have exactly the size; false for a wrong text.
bool base32_decode(std::string_view text, std::span<unsigned char> bytes);

}  // namespace sharestore
