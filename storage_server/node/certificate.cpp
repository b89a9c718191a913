#include "storage_server/node/certificate.h"

#include <openssl/err.h>
#include <openssl/rand.h>

#include <cstddef>
#include <memory>
#include <stdexcept>
#include <vector>

#include "backends/core/base32.h"
#include "backends/core/openssl_objects.h"

namespace sharestore {

namespace {

constexpr long kDaySeconds = 24L * 60 * 60;
constexpr long kValidDays = 50L * 365;
// A node whose clock runs ahead must not have a certificate that others think is not yet valid.
constexpr long kBackdatedDays = 2;
constexpr const char* kCommonName = "sharestore";

BioPtr secret_writer() { return BioPtr(BIO_new(BIO_s_secmem())); }

std::string_view content_of(const BioPtr& bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

// Out of memory or a broken OpenSSL; nothing that input can cause.
void require(bool ok, const char* what) {
  if (!ok) throw std::runtime_error(std::string("OpenSSL: ") + what);
}

std::vector<unsigned char> encoded(int (*encode)(const X509*, unsigned char**), const X509* from) {
  const int size = encode(from, nullptr);
  require(size > 0, "DER");
  std::vector<unsigned char> der(static_cast<std::size_t>(size));
  unsigned char* end = der.data();
  encode(from, &end);
  return der;
}

std::vector<unsigned char> public_key_der(X509* certificate) {
  const X509_PUBKEY* key = X509_get_X509_PUBKEY(certificate);
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(key, &der);
  require(size > 0, "DER of the public key");
  std::vector<unsigned char> bytes(der, der + size);
  OPENSSL_free(der);
  return bytes;
}

std::string digest_of(const std::vector<unsigned char>& bytes, const EVP_MD* algorithm) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  require(EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, algorithm, nullptr) == 1,
          "digest");
  return {reinterpret_cast<const char*>(digest.data()), size};
}

std::string base64url(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  while (text.ends_with('=')) text.pop_back();
  for (char& c : text) {
    if (c == '+') c = '-';
    if (c == '/') c = '_';
  }
  return text;
}

std::string certificate_text(X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  require(PEM_write_bio_X509(bio.get(), certificate) == 1, "writing a certificate");
  return std::string(content_of(bio));
}

Secret key_text(EVP_PKEY* key) {
  const BioPtr bio = secret_writer();
  require(PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1,
          "writing a key");
  return Secret(content_of(bio));
}

CertificatePtr self_signed(EVP_PKEY* key) {
  CertificatePtr certificate(X509_new());
  std::array<unsigned char, 16> serial{};
  require(RAND_bytes(serial.data(), static_cast<int>(serial.size())) == 1, "random bytes");
  serial[0] &= 0x7f;  // serial numbers are positive
  const std::unique_ptr<BIGNUM, OpenSslFree<BN_free>> number(
      BN_bin2bn(serial.data(), static_cast<int>(serial.size()), nullptr));
  BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate.get()));
  X509_set_version(certificate.get(), X509_VERSION_3);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -kBackdatedDays * kDaySeconds);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), kValidDays * kDaySeconds);
  X509_NAME* name = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(kCommonName), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), name);
  require(X509_set_pubkey(certificate.get(), key) == 1, "public key");
  require(X509_sign(certificate.get(), key, EVP_sha256()) > 0, "signing a certificate");
  return certificate;
}

}  // namespace

Result<Certificate> parse_certificate(std::string_view pem) {
  ERR_clear_error();
  const BioPtr certificates = bio_reader(pem);
  const CertificatePtr certificate = next_certificate(certificates);
  if (!certificate) return fail(Errc::invalid_argument, "no PEM certificate in it");
  if (next_certificate(certificates)) {
    return fail(Errc::invalid_argument, "more than one certificate in it; expected one");
  }
  const KeyPtr key = private_key_of(pem);
  if (!key) return fail(Errc::invalid_argument, "no unencrypted PEM private key in it");
  const bool fits = X509_check_private_key(certificate.get(), key.get()) == 1;
  ERR_clear_error();
  if (!fits) {
    return fail(Errc::invalid_argument, "its private key is not that of its certificate");
  }
  Certificate parsed;
  parsed.certificate_pem = certificate_text(certificate.get());
  parsed.key_pem = key_text(key.get());
  const std::string tub = digest_of(encoded(i2d_X509, certificate.get()), EVP_sha1());
  tub.copy(reinterpret_cast<char*>(parsed.tub_digest.data()), parsed.tub_digest.size());
  parsed.tub_id = base32_encode(tub);
  parsed.spki_hash = base64url(digest_of(public_key_der(certificate.get()), EVP_sha256()));
  return parsed;
}

Secret make_certificate() {
  const KeyPtr key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
  require(key != nullptr, "making a key");
  const CertificatePtr certificate = self_signed(key.get());
  const BioPtr bio = secret_writer();
  require(PEM_write_bio_X509(bio.get(), certificate.get()) == 1, "writing a certificate");
  require(PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                        nullptr) == 1,
          "writing a key");
  return Secret(content_of(bio));
}

}  // namespace sharestore
