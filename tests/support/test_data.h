// Recognisable values for tests.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "backends/core/byte_source.h"
#include "backends/core/bytes.h"
#include "backends/core/lease.h"
#include "backends/core/storage_index.h"

namespace sharestore {

// The same storage index for the same number; different numbers lie in different prefixes mostly.
inline StorageIndex test_index(std::uint64_t n) {
  std::array<unsigned char, StorageIndex::kBytes> bytes{};
  std::uint64_t z = n * 0x9e3779b97f4a7c15ULL + 0x1234567;
  for (auto& b : bytes) {
    z ^= z >> 29;
    z *= 0xbf58476d1ce4e5b9ULL;
    b = static_cast<unsigned char>(z >> 56);
  }
  return StorageIndex(bytes);
}

// Bytes in which every position differs from its neighbours and from other seeds.
inline std::string pattern_text(std::size_t size, unsigned seed = 1) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) {
    text[i] = static_cast<char>((i * 131 + (i >> 8) * 7 + seed * 41 + 1) & 0xff);
  }
  return text;
}
inline Bytes pattern_bytes(std::size_t size, unsigned seed = 1) {
  return Bytes::copy_of(pattern_text(size, seed));
}

inline ByteSourcePtr text_source(std::string_view text) {
  return memory_source(Bytes::copy_of(text));
}

// 32 bytes of one letter.
inline Secret letter_secret(char letter) { return Secret(std::string(32, letter)); }
inline LeaseSecrets letter_secrets(char renew, char cancel) {
  return {letter_secret(renew), letter_secret(cancel)};
}
inline LeaseUpdate letter_lease(char renew, char cancel, std::int64_t expires_at,
                                std::uint32_t owner = 1) {
  const LeaseSecrets secrets = letter_secrets(renew, cancel);
  return {secrets.lease(owner, expires_at), secrets};
}

}  // namespace sharestore
