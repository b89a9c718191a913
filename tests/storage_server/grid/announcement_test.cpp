#include "storage_server/grid/announcement.h"

#include <gtest/gtest.h>
#include <sodium.h>

#include <boost/json.hpp>
#include <set>

#include "backends/core/base32.h"

namespace sharestore::grid {
namespace {

namespace json = boost::json;

AnnouncementFacts facts() {
  AnnouncementFacts made;
  made.nickname =
      "n\xc3\xb6"
      "de \"1\"";
  made.version = "sharestore/0";
  made.furl = "pb://kyvofrldjf4xofbianwfnhobn3qgcznv@tcp:127.0.0.1:1/x";
  made.nurls = {"pb://a@127.0.0.1:1/x#v=1", "pb+tor://a@b.onion:1/x#v=1"};
  made.permutation_seed = "aaaa";
  return made;
}

TEST(Announcement, HasExactlyTheKeysThatClientsKnow) {
  const json::object read = json::parse(announcement_json(facts(), 7, "nonce")).as_object();
  std::set<std::string> keys;
  for (const auto& member : read) keys.insert(member.key());
  EXPECT_EQ(keys, (std::set<std::string>{"version", "nickname", "app-versions", "my-version",
                                         "oldest-supported", "service-name", "seqnum", "nonce",
                                         "anonymous-storage-FURL", "anonymous-storage-NURLs",
                                         "permutation-seed-base32"}));
  EXPECT_EQ(read.at("version"), 0);
  EXPECT_EQ(read.at("nickname"),
            "n\xc3\xb6"
            "de \"1\"");
  EXPECT_EQ(read.at("app-versions"), json::array());
  EXPECT_EQ(read.at("oldest-supported"), "1.0.0");
  EXPECT_EQ(read.at("service-name"), "storage");
  EXPECT_EQ(read.at("seqnum"), 7);
  EXPECT_EQ(read.at("anonymous-storage-FURL"), json::value(facts().furl));
  EXPECT_EQ(read.at("anonymous-storage-NURLs"), (json::array{facts().nurls[0], facts().nurls[1]}));
}

TEST(Announcement, CarriesCertificatesUnchanged) {
  AnnouncementFacts with = facts();
  with.certificates = {{"grid", "/f", "{\"expires\": \"x\"}", "sig", {}, {}}};
  const json::value read = json::parse(announcement_json(with, 1, "n"));
  EXPECT_EQ(
      read.at("grid-manager-certificates"),
      (json::array{json::object{{"certificate", "{\"expires\": \"x\"}"}, {"signature", "sig"}}}));
}

TEST(Announcement, IsSignedByTheNodesKey) {
  const Secret seed(std::string(32, 's'));
  const SignedAnnouncement one = sign_announcement(facts(), 1, seed);
  const auto key = base32_decode(one.public_key.substr(3));
  const auto signature = base32_decode(one.signature.substr(3));
  ASSERT_TRUE(key && signature);
  ASSERT_EQ(one.public_key.size(), 55U);
  ASSERT_EQ(one.signature.size(), 106U);
  const auto bytes = [](const std::string& text) {
    return reinterpret_cast<const unsigned char*>(text.data());
  };
  EXPECT_EQ(
      crypto_sign_verify_detached(bytes(*signature), bytes(one.json), one.json.size(), bytes(*key)),
      0);
  const SignedAnnouncement two = sign_announcement(facts(), 1, seed);
  EXPECT_NE(one.json, two.json) << "the nonce must be fresh";
  EXPECT_EQ(one.public_key, two.public_key);
}

}  // namespace
}  // namespace sharestore::grid
