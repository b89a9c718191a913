#include "storage_server/protocol/authorization.h"

#include <sodium.h>

#include <array>
#include <utility>

#include "config/text.h"

namespace sharestore {

namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

struct Name {
  std::string_view text;
  SecretSet bit;
  Secret RequestSecrets::* member;
  bool lease;
};
constexpr std::array<Name, 4> kNames = {{
    {"lease-renew-secret", kLeaseRenewSecret, &RequestSecrets::lease_renew, true},
    {"lease-cancel-secret", kLeaseCancelSecret, &RequestSecrets::lease_cancel, true},
    {"upload-secret", kUploadSecret, &RequestSecrets::upload, false},
    {"write-enabler", kWriteEnabler, &RequestSecrets::write_enabler, false},
}};

bool is_secrets_header(std::string_view name) {
  constexpr std::string_view kLower = "x-tahoe-authorization";
  if (name.size() != kLower.size()) return false;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = name[i] >= 'A' && name[i] <= 'Z' ? static_cast<char>(name[i] + 32) : name[i];
    if (c != kLower[i]) return false;
  }
  return true;
}

Status read_line(std::string_view line, RequestSecrets& secrets, SecretSet& given) {
  line = trim(line);
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) {
    return fail(Errc::invalid_argument, "X-Tahoe-Authorization: expected \"<name> <base64>\"");
  }
  for (const Name& name : kNames) {
    if (line.substr(0, space) != name.text) continue;
    auto value = lenient_base64_decode(line.substr(space + 1));
    if (!value || value->empty() || (name.lease && value->size() != kLeaseSecretBytes)) {
      return fail(Errc::invalid_argument,
                  "X-Tahoe-Authorization: bad value of " + std::string(name.text));
    }
    secrets.*name.member = Secret(*value);
    sodium_memzero(value->data(), value->size());
    given |= name.bit;
    return {};
  }
  return fail(Errc::invalid_argument, "X-Tahoe-Authorization: unknown name of a secret");
}

// A table from character to value; 64: outside the alphabet.
constexpr std::array<unsigned char, 256> kValues = [] {
  std::array<unsigned char, 256> values{};
  values.fill(64);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    values[static_cast<unsigned char>(kAlphabet[i])] = static_cast<unsigned char>(i);
  }
  return values;
}();

}  // namespace

Secret expected_authorization(const Secret& swissnum) {
  std::string text = "Tahoe-LAFS " + base64_encode(swissnum.reveal());
  Secret made(text);
  sodium_memzero(text.data(), text.size());
  return made;
}

Status check_authorization(const http::Request& request, const Secret& expected) {
  const auto given = request.first_header("authorization");
  if (!given) return fail(Errc::unauthorized, "Wrong Authorization header");
  if (expected.equals(*given)) return {};
  if (!is_valid_utf8(*given)) return fail(Errc::invalid_argument, "Bad Authorization header");
  return fail(Errc::unauthorized, "Wrong Authorization header");
}

Result<RequestSecrets> read_secrets(const http::Request& request, SecretSet required) {
  RequestSecrets secrets;
  SecretSet given = kNoSecrets;
  for (const http::HeaderLine& line : request.headers) {
    if (!is_secrets_header(line.name)) continue;
    if (auto read = read_line(line.value, secrets, given); !read) return fail(read.error());
  }
  if (given != required) {
    return fail(Errc::invalid_argument,
                "X-Tahoe-Authorization: not exactly the secrets that this endpoint wants");
  }
  return secrets;
}

std::optional<std::string> lenient_base64_decode(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 3);
  unsigned held = 0;   // the last characters' bits that make no byte yet
  unsigned place = 0;  // of the next character in its group of four
  unsigned pads = 0;   // in a row
  for (const char c : text) {
    if (c == '=') {
      // Early '=' are skipped; in the last half of a group they complete it.
      if (place >= 2 && place + ++pads >= 4) return bytes;
      continue;
    }
    const unsigned value = kValues[static_cast<unsigned char>(c)];
    if (value >= 64) continue;
    pads = 0;
    held = held << 6U | value;
    if (place > 0) bytes.push_back(static_cast<char>(held >> (2 * (3 - place)) & 0xffU));
    place = (place + 1) % 4;
  }
  if (place != 0) return std::nullopt;
  return bytes;
}

std::string base64_encode(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    unsigned group = 0;
    for (std::size_t j = i; j < i + 3; ++j) {
      group = group << 8U | (j < bytes.size() ? static_cast<unsigned char>(bytes[j]) : 0U);
    }
    for (unsigned j = 0; j < 4; ++j) {
      const bool pad = i + j > bytes.size();
      text.push_back(pad ? '=' : kAlphabet[group >> (18 - 6 * j) & 63U]);
    }
  }
  return text;
}

}  // namespace sharestore
