// How bytes are written in URLs, headers and signatures.
//
// Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "backends/core/hex.h"  // IWYU pragma: export

namespace sharestore::s3 {

// RFC 3986: everything but letters, digits, '-', '.', '_' and '~' as %XX; '/' stays if
// `keep_slash`.
std::string uri_encode(std::string_view text, bool keep_slash);
// The reverse; a '%' without two hex digits stays as it is.
std::string uri_decode(std::string_view text);
std::string base64(std::string_view bytes);

std::string sha256(std::string_view bytes);
std::string md5(std::string_view bytes);
std::string hmac_sha256(std::string_view key, std::string_view message);
std::string hmac_sha1(std::string_view key, std::string_view message);

}  // namespace sharestore::s3
