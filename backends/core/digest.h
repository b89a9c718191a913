// BLAKE2b with 32 bytes of output: what lease records and the index keep in place of a secret.
//
// Pure; any thread. disk-format.md section 3 has test vectors.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace sharestore {

inline constexpr std::size_t kDigestBytes = 32;
using Digest = std::array<unsigned char, kDigestBytes>;

Digest blake2b_256(std::string_view bytes);

inline std::string_view as_text(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

}  // namespace sharestore
