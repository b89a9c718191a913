#include "bench/load/content.h"

#include <array>
#include <cstring>

namespace sharestore::load {

std::uint64_t mix(std::uint64_t value) {
  value += 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

std::string storage_index_text(std::uint64_t set, std::uint64_t number) {
  std::array<unsigned char, StorageIndex::kBytes> bytes{};
  const std::array<std::uint64_t, 2> words = {mix(mix(set) ^ number), mix(mix(set + 1) ^ number)};
  static_assert(sizeof words == StorageIndex::kBytes);
  std::memcpy(bytes.data(), words.data(), sizeof words);
  return StorageIndex(bytes).to_text();
}

Content::Content() : block_(kPeriodBytes + kRunBytes) {
  for (std::size_t i = 0; i < kPeriodBytes; i += sizeof(std::uint64_t)) {
    const std::uint64_t word = mix(i);
    std::memcpy(block_.data() + i, &word, sizeof word);
  }
  std::memcpy(block_.data() + kPeriodBytes, block_.data(), kRunBytes);
}

bool Content::matches(std::uint64_t share, std::uint64_t offset, ByteSpan bytes) const {
  while (!bytes.empty()) {
    const ByteSpan wanted = at(share, offset, bytes.size());
    if (std::memcmp(wanted.data(), bytes.data(), wanted.size()) != 0) return false;
    bytes = bytes.subspan(wanted.size());
    offset += wanted.size();
  }
  return true;
}

}  // namespace sharestore::load
