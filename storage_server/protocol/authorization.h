// Who asks, and with which secrets: the Authorization and X-Tahoe-Authorization headers.
//
// Facts: gbs-protocol.md section 1. Secrets leave these functions only inside `Secret`; no message
// says what a header held.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "backends/core/error.h"
#include "backends/core/secret.h"
#include "storage_server/http/message.h"

namespace sharestore {

// The secrets that an endpoint wants; a set of bits.
using SecretSet = std::uint8_t;
inline constexpr SecretSet kNoSecrets = 0;
inline constexpr SecretSet kLeaseRenewSecret = 1;
inline constexpr SecretSet kLeaseCancelSecret = 2;
inline constexpr SecretSet kUploadSecret = 4;
inline constexpr SecretSet kWriteEnabler = 8;
inline constexpr SecretSet kLeaseSecrets = kLeaseRenewSecret | kLeaseCancelSecret;

// Fixed by the protocol; upload secrets and write enablers have any length.
inline constexpr std::size_t kLeaseSecretBytes = 32;

struct RequestSecrets {
  Secret lease_renew;
  Secret lease_cancel;
  Secret upload;
  Secret write_enabler;
};

// The value of Authorization that a client with this swissnum sends.
Secret expected_authorization(const Secret& swissnum);

// Compares the first Authorization line with `expected` in a time that depends on its length only.
// unauthorized: missing or different; invalid_argument: not UTF-8.
Status check_authorization(const http::Request& request, const Secret& expected);

// The secrets of every X-Tahoe-Authorization line; of a repeated name the last. Lines are taken one
// by one: a comma does not separate secrets.
// invalid_argument: a line that is not "<name> <base64>" with a known name and a secret of a right
// length, or the set of names is not exactly `required`.
Result<RequestSecrets> read_secrets(const http::Request& request, SecretSet required);

// Base64 with everything outside its alphabet skipped and decoding ended by complete padding, as
// the reference decodes secrets. Nothing where the padding is wrong.
std::optional<std::string> lenient_base64_decode(std::string_view text);
std::string base64_encode(std::string_view bytes);

}  // namespace sharestore
