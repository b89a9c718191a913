// The worked examples of disk-format.md, byte for byte.
#pragma once

#include <string>
#include <string_view>

namespace sharestore {

inline std::string from_hex(std::string_view hex) {
  std::string out;
  int high = -1;
  for (const char c : hex) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) continue;
    if (high < 0) {
      high = digit;
    } else {
      out.push_back(static_cast<char>(high * 16 + digit));
      high = -1;
    }
  }
  return out;
}

inline constexpr std::string_view kDigestR =
    "0666d16d6f9960d32c9e59c59b33800be038644ece4cb3da310b258e6d852204";
inline constexpr std::string_view kDigestC =
    "f23824449c1860ead7065f1539cca5ada8ddfdf84a5e4f7608634fed82c0eb24";
inline constexpr std::string_view kDigestSmallR =
    "40a94cee0d59896c000581cae57197c0e04310bca32e07620f461edb19ad593b";
inline constexpr std::string_view kDigestSmallC =
    "f0e9c07993de2011907f2a0f1629527b72d4c5261388a68237e46a7b6ab82dc6";
inline constexpr std::string_view kNodeIdHex = "e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3";

// "hello" with leases (0, R, C, 1700000000) and (1, r, c, 1700000001): 161 bytes.
inline std::string immutable_example(int version) {
  const auto secret = [&](std::string_view digest, char letter) {
    return version == 1 ? std::string(32, letter) : from_hex(digest);
  };
  return from_hex(version == 1 ? "00000001" : "00000002") + from_hex("00000005 00000002") +
         "hello" + from_hex("00000000") + secret(kDigestR, 'R') + secret(kDigestC, 'C') +
         from_hex("6553f100 00000001") + secret(kDigestSmallR, 'r') + secret(kDigestSmallC, 'c') +
         from_hex("6553f101");
}

// "data" with lease (1, R, C, 1700000000), node e0..f3, enabler 32 x 'W': 476 bytes.
inline std::string mutable_example(int version) {
  std::string file = "Tahoe mutable container v";
  file += version == 1 ? "1\n" + from_hex("750944038e") : "2\n" + from_hex("c355219925");
  file += from_hex(kNodeIdHex) + std::string(32, 'W') + from_hex("0000000000000004") +
          from_hex("00000000000001d8") + from_hex("00000001 6553f100") +
          (version == 1 ? std::string(32, 'R') : from_hex(kDigestR)) +
          (version == 1 ? std::string(32, 'C') : from_hex(kDigestC)) + from_hex(kNodeIdHex);
  file += std::string(276, '\0') + "data" + from_hex("00000000");
  return file;
}

}  // namespace sharestore
