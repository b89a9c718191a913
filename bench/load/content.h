// The bytes of the shares that the load tool stores and expects: known at every offset without
// being kept, and different from share to share.
//
// Immutable after construction; any thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "backends/core/bytes.h"
#include "backends/core/storage_index.h"

namespace sharestore::load {

class Content {
 public:
  // Every span that at() gives can be this long.
  static constexpr std::size_t kRunBytes = 64 * 1024;

  Content();

  // The first `size` bytes, at most kRunBytes, from `offset` of share `share`.
  ByteSpan at(std::uint64_t share, std::uint64_t offset, std::size_t size) const {
    return ByteSpan(block_).subspan(place(share, offset), std::min(size, kRunBytes));
  }
  bool matches(std::uint64_t share, std::uint64_t offset, ByteSpan bytes) const;

 private:
  static constexpr std::size_t kPeriodBytes = std::size_t{1} << 20;

  static std::size_t place(std::uint64_t share, std::uint64_t offset) {
    return static_cast<std::size_t>((share * 4099 + offset) % kPeriodBytes);
  }

  std::vector<std::byte> block_;
};

// A value that looks random (splitmix64).
std::uint64_t mix(std::uint64_t value);
// The text form of a storage index that stands for (set, number).
std::string storage_index_text(std::uint64_t set, std::uint64_t number);

}  // namespace sharestore::load
