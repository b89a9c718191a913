// Names of shares: storage index (16 bytes) and share number.
//
// Values; any thread. Text forms: gbs-protocol.md section 2 "Path grammar", disk-format.md
// section 1.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace sharestore {

class StorageIndex {
 public:
  static constexpr std::size_t kBytes = 16;
  static constexpr std::size_t kTextChars = 26;

  StorageIndex() = default;
  explicit StorageIndex(const std::array<unsigned char, kBytes>& bytes) : bytes_(bytes) {}

  // 26 lower-case base32 characters. The last one carries two spare bits: of its four spellings
  // those whose lowest bit is clear are understood, as the reference does; the rest is refused.
  static std::optional<StorageIndex> from_text(std::string_view text);
  // Exactly 16 bytes, or nothing.
  static std::optional<StorageIndex> from_bytes(std::string_view bytes);

  // The canonical text.
  std::string to_text() const;
  // The first two characters of the text: the name of the prefix directory.
  std::string prefix() const { return to_text().substr(0, 2); }
  const std::array<unsigned char, kBytes>& bytes() const { return bytes_; }
  std::string_view byte_view() const {
    return {reinterpret_cast<const char*>(bytes_.data()), kBytes};
  }

  auto operator<=>(const StorageIndex&) const = default;

 private:
  std::array<unsigned char, kBytes> bytes_{};
};

// A share number. Wire and disk allow any decimal; numbers that do not fit 64 bits name no share.
using ShareNumber = std::uint64_t;

// Decimal digits only; leading zeros are allowed when `canonical` is false. Nothing if it is not a
// number or does not fit.
std::optional<ShareNumber> share_number_from_text(std::string_view text, bool canonical);

struct ShareId {
  StorageIndex storage_index;
  ShareNumber number = 0;
  auto operator<=>(const ShareId&) const = default;
  // "<storage index>/<number>", for messages and logs.
  std::string to_text() const;
};

struct StorageIndexHash {
  std::size_t operator()(const StorageIndex& si) const {
    std::size_t h = 0;
    std::memcpy(&h, si.bytes().data(), sizeof h);
    return h * 0x9e3779b97f4a7c15ULL;
  }
};

struct ShareIdHash {
  std::size_t operator()(const ShareId& id) const {
    return StorageIndexHash()(id.storage_index) ^ (id.number * 0xff51afd7ed558ccdULL);
  }
};

}  // namespace sharestore
