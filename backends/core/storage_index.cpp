#include "backends/core/storage_index.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "backends/core/base32.h"

namespace sharestore {

std::optional<StorageIndex> StorageIndex::from_text(std::string_view text) {
  if (text.size() != kTextChars) return std::nullopt;
  std::array<char, kTextChars> canonical{};
  std::copy(text.begin(), text.end(), canonical.begin());
  static constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";
  const std::size_t last = kAlphabet.find(canonical.back());
  if (last == std::string_view::npos || (last & 1U) != 0) return std::nullopt;
  canonical.back() = kAlphabet[last & ~std::size_t{3}];
  StorageIndex si;
  const bool good = base32_decode({canonical.data(), canonical.size()}, si.bytes_);
  return good ? std::optional(si) : std::nullopt;
}

std::optional<StorageIndex> StorageIndex::from_bytes(std::string_view bytes) {
  if (bytes.size() != kBytes) return std::nullopt;
  StorageIndex si;
  std::memcpy(si.bytes_.data(), bytes.data(), kBytes);
  return si;
}

std::string StorageIndex::to_text() const { return base32_encode(byte_view()); }

std::optional<ShareNumber> share_number_from_text(std::string_view text, bool canonical) {
  ShareNumber number = 0;
  if (canonical && text.size() > 1 && text.front() == '0') return std::nullopt;
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return number;
}

std::string ShareId::to_text() const {
  return storage_index.to_text() + "/" + std::to_string(number);
}

}  // namespace sharestore
