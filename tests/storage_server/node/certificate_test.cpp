#include "storage_server/node/certificate.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/test_certificate.h"

namespace sharestore {
namespace {

// Made for this test; its two names below were computed with the openssl tool.
constexpr const char* kPem =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBJzCBzqADAgECAhANb2E4TX1oaqnu2Lf+ztZXMAoGCCqGSM49BAMCMBUxEzAR\n"
    "BgNVBAMMCnNoYXJlc3RvcmUwIBcNMjYxMTE5MDI0MTQ2WhgPMjA3NjExMDgwMjQx\n"
    "NDZaMBUxEzARBgNVBAMMCnNoYXJlc3RvcmUwWTATBgcqhkjOPQIBBggqhkjOPQMB\n"
    "BwNCAASSp0p2KFBta012G5apGgB2QLuLAZjxt34J2IyNMbESMvvyMTJ4ywbfOKeP\n"
    "kd4DFcBiZaaDV3yMWOALKFHJN6QlMAoGCCqGSM49BAMCA0gAMEUCIQDWFNNA8BF6\n"
    "PKASZfBYdQvbVstuC5Ij6i+ZR+NEDNgYDgIgND/hvWsw9AljLRCI2kEaBjKhQXdt\n"
    "Ac52tnj7ca2F9oI=\n"
    "-----END CERTIFICATE-----\n"
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgNFt6+UcF9AACcCkg\n"
    "k+lA2YWrtC8ejd0CjaoB3uY4pA2hRANCAASSp0p2KFBta012G5apGgB2QLuLAZjx\n"
    "t34J2IyNMbESMvvyMTJ4ywbfOKePkd4DFcBiZaaDV3yMWOALKFHJN6Ql\n"
    "-----END PRIVATE KEY-----\n";
constexpr const char* kSpkiHash = "IeGaojFASEdcUa7vRNIuUdHB8E-Dt7WO2pQYseRpnuQ";
constexpr const char* kTubId = "alqwnukxcbywav6o6hcnts73eq5wey36";

TEST(Certificate, NamesAreThoseThatOpensslComputes) {
  const auto certificate = parse_certificate(kPem);
  ASSERT_TRUE(certificate) << certificate.error().message();
  EXPECT_EQ(certificate->spki_hash, kSpkiHash);
  EXPECT_EQ(certificate->tub_id, kTubId);
  EXPECT_TRUE(certificate->certificate_pem.starts_with("-----BEGIN CERTIFICATE-----"));
  EXPECT_TRUE(certificate->key_pem.reveal().starts_with("-----BEGIN PRIVATE KEY-----"));
}

TEST(Certificate, EachNewOneIsAnother) {
  const auto first = parse_certificate(make_certificate().reveal());
  const auto second = parse_certificate(make_certificate().reveal());
  ASSERT_TRUE(first);
  ASSERT_TRUE(second);
  EXPECT_EQ(first->spki_hash.size(), 43U);
  EXPECT_EQ(first->tub_id.size(), 32U);
  EXPECT_NE(first->tub_id, second->tub_id);
  EXPECT_NE(first->spki_hash, second->spki_hash);
}

TEST(Certificate, TheRsaCertificateOfThePythonNodeIsTaken) {
  const auto made = test::make_rsa_test_certificate();
  const auto certificate = parse_certificate(made.certificate_pem + made.key_pem);
  ASSERT_TRUE(certificate) << certificate.error().message();
  EXPECT_EQ(certificate->certificate_pem, made.certificate_pem);
}

std::string refusal(const std::string& pem) {
  const auto certificate = parse_certificate(pem);
  return certificate ? "accepted" : certificate.error().message();
}

TEST(Certificate, RefusesWhatIsNotOneCertificateWithItsKey) {
  const auto one = test::make_test_certificate();
  const auto other = test::make_test_certificate();
  EXPECT_EQ(refusal(""), "no PEM certificate in it");
  EXPECT_EQ(refusal("garbage"), "no PEM certificate in it");
  EXPECT_EQ(refusal(one.key_pem), "no PEM certificate in it");
  EXPECT_EQ(refusal(one.certificate_pem), "no unencrypted PEM private key in it");
  EXPECT_EQ(refusal(one.certificate_pem + other.key_pem),
            "its private key is not that of its certificate");
  EXPECT_EQ(refusal(one.certificate_pem + other.certificate_pem + one.key_pem),
            "more than one certificate in it; expected one");
  EXPECT_EQ(refusal(one.certificate_pem + one.key_pem), "accepted");
}

}  // namespace
}  // namespace sharestore
