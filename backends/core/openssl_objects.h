// Owners of OpenSSL's objects, and reading PEM texts without ever asking for a password on the
// terminal.
//
// Plain values; as OpenSSL's objects, for one thread at a time.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>
#include <string_view>

namespace sharestore {

template <auto Free>
struct OpenSslFree {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using BioPtr = std::unique_ptr<BIO, OpenSslFree<BIO_free_all>>;
using CertificatePtr = std::unique_ptr<X509, OpenSslFree<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, OpenSslFree<EVP_PKEY_free>>;

// Reads `text`, which outlives it.
inline BioPtr bio_reader(std::string_view text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// The password callback: none, so that an encrypted key is an error.
inline int no_password(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*unused*/) {
  return -1;
}

// The next certificate of the text; null: none is left. OpenSSL's error queue says why.
inline CertificatePtr next_certificate(const BioPtr& text) {
  return CertificatePtr(PEM_read_bio_X509(text.get(), nullptr, no_password, nullptr));
}

// The first private key of a text; null: there is none that can be read.
inline KeyPtr private_key_of(std::string_view pem) {
  return KeyPtr(PEM_read_bio_PrivateKey(bio_reader(pem).get(), nullptr, no_password, nullptr));
}

}  // namespace sharestore
