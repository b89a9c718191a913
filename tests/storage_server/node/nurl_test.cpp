#include "storage_server/node/nurl.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage_server/node/location.h"
#include "storage_server/node/version.h"
#include "tests/support/temp_dir.h"

namespace sharestore {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

NodeKeys example_keys() {
  NodeKeys keys;
  keys.certificate.spki_hash = "9Ms4TpOlcbjp9LRY5jZLUal43ikdbkgPamdYkpu8aJQ";
  keys.certificate.tub_id = "3f5kdeo7lbuq5vvyisvqcmwpfvzqxlpf";
  keys.swissnum = Secret("swissnum");
  keys.public_key = "otexyz2kemwgase6b5lvufesqedbvnazowgxyxrzexgbw5we4njq";
  keys.permutation_seed = "mfrgg";
  return keys;
}

std::vector<LocationHint> hints_of(const char* text) { return parse_location_hints(text).value(); }

TEST(Nurl, OnePerTcpAndTorHint) {
  const auto hints = hints_of("tcp:example.org:3457,i2p:abc.i2p:1,tor:abc.onion:80,10.0.0.1:5");
  const std::string start = "://9Ms4TpOlcbjp9LRY5jZLUal43ikdbkgPamdYkpu8aJQ@";
  EXPECT_THAT(make_nurls(example_keys(), hints),
              ElementsAre("pb" + start + "example.org:3457/swissnum#v=1",
                          "pb+tor" + start + "abc.onion:80/swissnum#v=1",
                          "pb" + start + "10.0.0.1:5/swissnum#v=1"));
}

TEST(Nurl, AnIpv6AddressIsInBrackets) {
  const auto nurls = make_nurls(example_keys(), hints_of("tcp:[::1]:3457"));
  ASSERT_EQ(nurls.size(), 1U);
  EXPECT_THAT(nurls[0], HasSubstr("@[::1]:3457/swissnum#v=1"));
}

TEST(Nurl, TheLogSeesNoSwissnum) {
  const auto nurls = make_nurls(example_keys(), hints_of("tcp:example.org:3457"));
  EXPECT_EQ(without_swissnum(nurls[0]),
            "pb://9Ms4TpOlcbjp9LRY5jZLUal43ikdbkgPamdYkpu8aJQ@example.org:3457/…");
}

TEST(Nurl, ServersYamlIsExact) {
  NodeConfig config;
  config.nickname = "K\xc3\xb6ln \"1\" \\ \xf0\x9f\x92\xbe\n#";
  config.grid_manager_certificates.push_back({"gm", "gm.cert", "{\"version\": 1}", "sig", {}, {}});
  EXPECT_EQ(make_servers_yaml(example_keys(), hints_of("tcp:h:1,tor:o:2"), config),
            "storage:\n"
            "  v0-otexyz2kemwgase6b5lvufesqedbvnazowgxyxrzexgbw5we4njq:\n"
            "    ann:\n"
            "      nickname: \"K\\u00f6ln \\\"1\\\" \\\\ \\U0001f4be\\u000a#\"\n"
            "      anonymous-storage-FURL: "
            "\"pb://3f5kdeo7lbuq5vvyisvqcmwpfvzqxlpf@tcp:h:1,tor:o:2/swissnum\"\n"
            "      permutation-seed-base32: \"mfrgg\"\n"
            "      anonymous-storage-NURLs:\n"
            "        - \"pb://9Ms4TpOlcbjp9LRY5jZLUal43ikdbkgPamdYkpu8aJQ@h:1/swissnum#v=1\"\n"
            "        - \"pb+tor://9Ms4TpOlcbjp9LRY5jZLUal43ikdbkgPamdYkpu8aJQ@o:2/swissnum#v=1\"\n"
            "      grid-manager-certificates:\n"
            "        - certificate: \"{\\\"version\\\": 1}\"\n"
            "          signature: \"sig\"\n");
}

TEST(Location, AutoIsTheAddressOfTheListener) {
  const auto listeners = parse_listen_endpoints("unix:/tmp/x,tcp:3457:interface=127.0.0.7").value();
  const auto hints = resolve_location(hints_of("tor:o:2,AUTO"), listeners);
  ASSERT_TRUE(hints);
  EXPECT_EQ(location_text(*hints), "tor:o:2,tcp:127.0.0.7:3457");
}

TEST(Location, AutoIsEveryAddressWithLoopbackLast) {
  const auto listeners = parse_listen_endpoints("tcp:3457").value();
  const auto hints = resolve_location(hints_of("AUTO"), listeners);
  ASSERT_TRUE(hints) << hints.error().message();
  EXPECT_EQ(hints->back().text, "tcp:127.0.0.1:3457");
}

TEST(Location, AutoNeedsATcpPort) {
  const auto listeners = parse_listen_endpoints("unix:/tmp/x").value();
  EXPECT_EQ(resolve_location(hints_of("AUTO"), listeners).error().code(), Errc::invalid_argument);
}

TEST(Location, ANodeWithoutPortGetsOneThatStays) {
  TempDir directory;
  NodeConfig config;
  config.node_directory = directory.path();
  const auto chosen = choose_listeners(config);
  ASSERT_TRUE(chosen);
  EXPECT_EQ(read_file(directory / "client.port"),
            "tcp:" + std::to_string(chosen->front().port) + "\n");
  EXPECT_GE(chosen->front().port, 1024);
  config.tub_port = parse_listen_endpoints("tcp:7").value();
  EXPECT_EQ(choose_listeners(config)->front().port, 7);
}

TEST(Version, IsTheSameEverywhere) {
  const std::string root = SHARESTORE_SOURCE_DIR;
  EXPECT_THAT(read_file(root + "/CMakeLists.txt"),
              HasSubstr(std::string("project(sharestore VERSION ") + kVersion + " "));
  EXPECT_THAT(read_file(root + "/CHANGELOG.md"), HasSubstr(std::string("\n## ") + kVersion));
}

}  // namespace
}  // namespace sharestore
