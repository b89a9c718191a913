#include "storage_server/grid/announcement.h"

#include <sodium.h>

#include <array>
#include <boost/json.hpp>
#include <stdexcept>
#include <utility>

#include "backends/core/base32.h"

namespace sharestore::grid {

namespace {

namespace json = boost::json;

constexpr std::size_t kNonceBytes = 32;
constexpr std::string_view kKeyPrefix = "v0-";

using PublicKey = std::array<unsigned char, crypto_sign_PUBLICKEYBYTES>;
using Signature = std::array<unsigned char, crypto_sign_BYTES>;

void require(bool ok, const char* what) {
  if (!ok) throw std::runtime_error(what);
}

template <std::size_t Size>
std::string prefixed(const std::array<unsigned char, Size>& bytes) {
  return std::string(kKeyPrefix) +
         base32_encode({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace

std::string announcement_json(const AnnouncementFacts& facts, std::uint64_t seqnum,
                              std::string_view nonce) {
  json::object object;
  object["version"] = 0;
  object["nickname"] = facts.nickname;
  object["app-versions"] = json::array();
  object["my-version"] = facts.version;
  object["oldest-supported"] = "1.0.0";
  object["service-name"] = "storage";
  object["seqnum"] = seqnum;
  object["nonce"] = nonce;
  object["anonymous-storage-FURL"] = facts.furl;
  json::array nurls;
  for (const std::string& nurl : facts.nurls) nurls.emplace_back(nurl);
  object["anonymous-storage-NURLs"] = std::move(nurls);
  object["permutation-seed-base32"] = facts.permutation_seed;
  if (!facts.certificates.empty()) {
    json::array certificates;
    for (const GridManagerCertificate& held : facts.certificates) {
      certificates.emplace_back(
          json::object{{"certificate", held.certificate}, {"signature", held.signature}});
    }
    object["grid-manager-certificates"] = std::move(certificates);
  }
  return json::serialize(object);
}

SignedAnnouncement sign_announcement(const AnnouncementFacts& facts, std::uint64_t seqnum,
                                     const Secret& seed) {
  require(sodium_init() >= 0, "libsodium does not start");
  std::array<char, kNonceBytes> nonce{};
  randombytes_buf(nonce.data(), nonce.size());
  return sign_text(announcement_json(facts, seqnum, base32_encode({nonce.data(), nonce.size()})),
                   seed);
}

SignedAnnouncement sign_text(std::string text, const Secret& seed) {
  require(sodium_init() >= 0, "libsodium does not start");
  require(seed.size() == crypto_sign_SEEDBYTES, "an Ed25519 seed has 32 bytes");
  PublicKey public_key{};
  Signature signature{};
  std::array<unsigned char, crypto_sign_SECRETKEYBYTES> secret_key{};
  crypto_sign_seed_keypair(public_key.data(), secret_key.data(),
                           reinterpret_cast<const unsigned char*>(seed.reveal().data()));
  crypto_sign_detached(signature.data(), nullptr,
                       reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                       secret_key.data());
  sodium_memzero(secret_key.data(), secret_key.size());
  return {std::move(text), prefixed(signature), prefixed(public_key)};
}

}  // namespace sharestore::grid
