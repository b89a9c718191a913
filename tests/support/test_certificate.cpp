#include "tests/support/test_certificate.h"

#include <cstdlib>

#include "backends/core/openssl_objects.h"

namespace sharestore::test {
namespace {

void require(bool ok) {
  if (!ok) std::abort();
}

std::string text_of(BIO* memory) {
  char* data = nullptr;
  long size = BIO_get_mem_data(memory, &data);
  return {data, static_cast<std::size_t>(size)};
}

TestCertificate self_sign(KeyPtr key) {
  require(key != nullptr);
  CertificatePtr certificate(X509_new());
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600L * 24 * 365);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* name = X509_get_subject_name(certificate.get());
  const auto* common_name = reinterpret_cast<const unsigned char*>("newpb_thingy");
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, common_name, -1, -1, 0);
  X509_set_issuer_name(certificate.get(), name);
  require(X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0);

  TestCertificate made;
  BioPtr memory(BIO_new(BIO_s_mem()));
  require(PEM_write_bio_X509(memory.get(), certificate.get()) == 1);
  made.certificate_pem = text_of(memory.get());
  memory.reset(BIO_new(BIO_s_mem()));
  require(PEM_write_bio_PKCS8PrivateKey(memory.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                        nullptr) == 1);
  made.key_pem = text_of(memory.get());
  return made;
}

}  // namespace

TestCertificate make_test_certificate() {
  return self_sign(KeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")));
}

TestCertificate make_rsa_test_certificate() { return self_sign(KeyPtr(EVP_RSA_gen(2048))); }

}  // namespace sharestore::test
