#include "backends/core/base32.h"

#include <cstdint>

namespace sharestore {

namespace {

constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";

int value_of(char c) {
  if (c >= 'a' && c <= 'z') return c - 'a';
  if (c >= '2' && c <= '7') return c - '2' + 26;
  return -1;
}

}  // namespace

std::string base32_encode(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() * 8 + 4) / 5);
  std::uint32_t pending = 0;
  int pending_bits = 0;
  for (const char c : bytes) {
    pending = (pending << 8) | static_cast<unsigned char>(c);
    pending_bits += 8;
    while (pending_bits >= 5) {
      pending_bits -= 5;
      text.push_back(kAlphabet[(pending >> pending_bits) & 31]);
    }
  }
  if (pending_bits > 0) text.push_back(kAlphabet[(pending << (5 - pending_bits)) & 31]);
  return text;
}

bool base32_decode(std::string_view text, std::span<unsigned char> bytes) {
  const std::size_t spare_chars = text.size() % 8;
  if (spare_chars == 1 || spare_chars == 3 || spare_chars == 6) return false;
  if (bytes.size() != text.size() * 5 / 8) return false;
  std::uint32_t pending = 0;
  int pending_bits = 0;
  auto next = bytes.begin();
  for (const char c : text) {
    const int value = value_of(c);
    if (value < 0) return false;
    pending = (pending << 5) | static_cast<std::uint32_t>(value);
    pending_bits += 5;
    if (pending_bits >= 8) {
      pending_bits -= 8;
      *next++ = static_cast<unsigned char>((pending >> pending_bits) & 255);
    }
  }
  return (pending & ((1U << pending_bits) - 1U)) == 0;
}

std::optional<std::string> base32_decode(std::string_view text) {
  std::string bytes(text.size() * 5 / 8, '\0');
  const std::span into(reinterpret_cast<unsigned char*>(bytes.data()), bytes.size());
  if (!base32_decode(text, into)) return std::nullopt;
  return bytes;
}

}  // namespace sharestore
