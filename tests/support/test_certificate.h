// Self-signed certificates for tests, made in memory.
//
// Any thread.
#pragma once

#include <string>

namespace sharestore::test {

struct TestCertificate {
  std::string certificate_pem;
  std::string key_pem;
};

// EC P-256, self-signed, no extensions.
TestCertificate make_test_certificate();
// RSA 2048, what a node directory of the Python node holds.
TestCertificate make_rsa_test_certificate();

}  // namespace sharestore::test
