// The node's TLS certificate and what is derived from it: the tubid and the SPKI hash.
//
// Pure functions of bytes, any thread. The certificate is the node's identity: clients derive the
// write enablers of mutable files from its tubid, so it is made once and never again.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "backends/core/error.h"
#include "backends/core/secret.h"

namespace sharestore {

struct Certificate {
  std::string certificate_pem;
  Secret key_pem;  // PKCS#8
  // SHA-1 of the certificate's DER form. Written into mutable share files.
  std::array<unsigned char, 20> tub_digest{};
  std::string tub_id;     // base32 of it, 32 characters
  std::string spki_hash;  // base64url of SHA-256 of the public key's DER form, 43 characters
};

// What private/node.pem holds: a certificate and its private key, each in PEM, in either order.
// invalid_argument: not that, more than one certificate, or a key of another certificate. The
// sentence never repeats the text.
Result<Certificate> parse_certificate(std::string_view pem);

// A new EC P-256 key with a self-signed certificate that is valid for 50 years, as the content of
// private/node.pem. Clients ignore dates, Foolscap too; the years are for other programs.
Secret make_certificate();

}  // namespace sharestore
