#include "tests/config/node_fixture.h"

namespace sharestore {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

TEST(NodeConfig, DefaultsOfAnEmptyFile) {
  const NodeFixture node;
  const auto config = node.loaded();
  EXPECT_EQ(config.node_directory, node.path());
  EXPECT_EQ(config.config_file, node.path() / "tahoe.cfg");
  EXPECT_EQ(config.private_directory, node.path() / "private");
  EXPECT_EQ(config.nickname, "<unspecified>");
  EXPECT_FALSE(config.tub_port.has_value());
  ASSERT_EQ(config.tub_location.size(), 1U);
  EXPECT_EQ(config.tub_location[0].kind, LocationHint::Kind::automatic);
  EXPECT_THAT(config.web_port, IsEmpty());
  EXPECT_TRUE(config.reveal_ip_address);
  EXPECT_TRUE(config.outbound_tcp);
  EXPECT_FALSE(config.keepalive_timeout.has_value());
  EXPECT_FALSE(config.disconnect_timeout.has_value());
  EXPECT_THAT(config.introducers, IsEmpty());
  EXPECT_THAT(config.notices, IsEmpty());
}

// What the Python node's create-node writes.
TEST(NodeConfig, ReadsWhatThePythonNodeWrites) {
  const auto config = NodeFixture(
                          "# -*- mode: conf; coding: utf-8 -*-\n\n[node]\nnickname = caf\xc3\xa9\n"
                          "reveal-IP-address = true\nweb.port = tcp:3456:interface=127.0.0.1\n"
                          "web.static = public_html\ntub.port = tcp:3457\n"
                          "tub.location = tcp:node.example.org:3457\n[client]\nhelper.furl =\n"
                          "shares.needed = 3\nshares.happy = 7\nshares.total = 10\n[storage]\n"
                          "enabled = true\nreserved_space = 1G\n[helper]\nenabled = false\n")
                          .loaded();
  EXPECT_EQ(config.nickname, "caf\xc3\xa9");
  ASSERT_TRUE(config.tub_port.has_value());
  EXPECT_EQ(config.tub_port->front().port, 3457);
  ASSERT_EQ(config.web_port.size(), 1U);
  EXPECT_EQ(config.web_port[0].interface, "127.0.0.1");
  EXPECT_EQ(config.tub_location[0].host, "node.example.org");
  EXPECT_EQ(config.storage.reserved_space_bytes, 1'000'000'000U);
  EXPECT_THAT(config.notices,
              ElementsAre("ignored, for this is a storage node only: [node] web.static; [client] "
                          "shares.needed, shares.happy, shares.total; [helper] enabled"));
}

TEST(NodeConfig, ServicesThatAreNotHere) {
  EXPECT_THAT(NodeFixture("[helper]\nenabled = yes\n[sftpd]\nenabled = true\n").loaded().notices,
              AllOf(Contains("[helper] enabled = true: this program has no such service"),
                    Contains("[sftpd] enabled = true: this program has no such service")));
}

TEST(NodeConfig, TheDirectoryMustBeANode) {
  TempDir empty;
  const auto config = load_node_config(empty.path(), {});
  ASSERT_FALSE(config.has_value());
  EXPECT_EQ(config.error().code(), Errc::not_found);
  EXPECT_THAT(config.error().message(), HasSubstr("sharestore create-node"));
  write_file(empty / "tahoe-client.tac", "");
  EXPECT_TRUE(load_node_config(empty.path(), {}).has_value());
  EXPECT_EQ(load_node_config(empty / "missing", {}).error().code(), Errc::not_found);
  EXPECT_EQ(load_node_config(empty / "tahoe-client.tac", {}).error().code(), Errc::not_found);

  NodeFixture introducer;
  introducer.write("tahoe-introducer.tac", "");
  EXPECT_EQ(introducer.refusal(),
            "NODE: this is the directory of an introducer; expected a storage node's");
}

TEST(NodeConfig, ATrailingSlashDoesNotMatter) {
  const NodeFixture node;
  const auto config = load_node_config(node.path().string() + "/", {});
  ASSERT_TRUE(config.has_value());
  EXPECT_EQ(config->node_directory, node.path());
}

TEST(NodeConfig, OldFilesRefuseTheStart) {
  for (const char* name :
       {"nickname", "webport", "keepalive_timeout", "log_gatherer.furl", "disconnect_timeout",
        "advertised_ip_addresses", "introducer.furl", "helper.furl", "key_generator.furl",
        "stats_gatherer.furl", "no_storage", "readonly_storage", "sizelimit",
        "debug_discard_storage", "run_helper"}) {
    NodeFixture node;
    node.write(name, "");
    EXPECT_THAT(node.refusal(), HasSubstr(std::string("not read any more: ") + name)) << name;
  }
  NodeFixture node;
  node.write("webport", "");
  node.write("no_storage", "");
  EXPECT_THAT(node.refusal(), HasSubstr("webport, no_storage"));
}

TEST(NodeConfig, ConfigFileFaults) {
  EXPECT_THAT(refusal_of("x = 1\n"), StartsWith("NODE/tahoe.cfg:1: "));
  NodeFixture node;
  std::filesystem::remove(node.path() / "tahoe.cfg");
  std::filesystem::create_directory(node.path() / "tahoe.cfg");
  EXPECT_EQ(node.refusal(), "NODE/tahoe.cfg: expected a regular file");
}

TEST(NodeConfig, TubPort) {
  const auto two = NodeFixture("[node]\ntub.port = tcp:1,tcp6:2\n").loaded();
  ASSERT_TRUE(two.tub_port.has_value());
  EXPECT_EQ(two.tub_port->size(), 2U);
  EXPECT_EQ(refusal_of("[node]\ntub.port =\n"),
            "NODE/tahoe.cfg:2: section [node]: key 'tub.port': it is empty; expected an endpoint "
            "such as tcp:3457, or no such key for a port chosen at the first start");
  EXPECT_EQ(refusal_of("[node]\ntub.port = tcp:0\n"),
            "NODE/tahoe.cfg:2: section [node]: key 'tub.port': 'tcp:0': expected a port from 1 to "
            "65535, such as tcp:3457 (port 0 cannot be announced)");
  const NodeFixture disabled("[node]\ntub.port = disabled\ntub.location = disabled\n");
  EXPECT_EQ(disabled.refusal_code(), Errc::unsupported);
  EXPECT_THAT(disabled.refusal(), HasSubstr("storage needs a port to listen on"));
  EXPECT_EQ(NodeFixture("[node]\ntub.port = listen:tor\n").refusal_code(), Errc::unsupported);
}

TEST(NodeConfig, TheRecordedPort) {
  NodeFixture node;
  for (const char* content : {"tcp:41234\n", "41234", "41234\n"}) {
    node.write("client.port", content);
    ASSERT_TRUE(node.loaded().tub_port.has_value()) << content;
    EXPECT_EQ(node.loaded().tub_port->front().port, 41234) << content;
  }
  node.write("client.port", "garbage\n");
  EXPECT_THAT(node.refusal(), StartsWith("NODE/client.port:1: 'garbage': expected a port"));
  node.write("tahoe.cfg", "[node]\ntub.port = 5\n");
  EXPECT_EQ(node.loaded().tub_port->front().port, 5);
}

TEST(NodeConfig, TubLocation) {
  const auto config = NodeFixture("[node]\ntub.location = tcp:a:1,\n  tor:b.onion:2\n").loaded();
  ASSERT_EQ(config.tub_location.size(), 2U);
  EXPECT_EQ(config.tub_location[1].text, "tor:b.onion:2");
  EXPECT_THAT(refusal_of("[node]\ntub.location =\n"),
              HasSubstr("NODE/tahoe.cfg:2: section [node]: key 'tub.location': it is empty"));
  EXPECT_THAT(refusal_of("[node]\ntub.location = disabled\n"),
              HasSubstr("it may be disabled only when tub.port is"));
  EXPECT_THAT(
      refusal_of("[node]\ntub.location = nonsense\n"),
      HasSubstr("NODE/tahoe.cfg:2: section [node]: key 'tub.location': 'nonsense': expected "
                "a hint"));
}

TEST(NodeConfig, WebPort) {
  EXPECT_THAT(NodeFixture("[node]\nweb.port =\n").loaded().web_port, IsEmpty());
  EXPECT_EQ(NodeFixture("[node]\nweb.port = 3456\n").loaded().web_port.front().port, 3456);
  EXPECT_THAT(refusal_of("[node]\nweb.port = none\n"),
              HasSubstr("NODE/tahoe.cfg:2: section [node]: key 'web.port': 'none'"));
}

TEST(NodeConfig, Timeouts) {
  const auto config =
      NodeFixture("[node]\ntimeout.keepalive = 240\ntimeout.disconnect = 1800\n").loaded();
  EXPECT_EQ(config.keepalive_timeout, std::chrono::seconds(240));
  EXPECT_EQ(config.disconnect_timeout, std::chrono::seconds(1800));
  EXPECT_EQ(refusal_of("[node]\ntimeout.keepalive = 4 min\n"),
            "NODE/tahoe.cfg:2: section [node]: key 'timeout.keepalive': '4 min' is not a number in "
            "range; expected a whole number from 1 to 604800");
}

TEST(NodeConfig, PrivacyKeysStopTheStart) {
  const std::string hidden = "[connections]\ntcp = disabled\n[node]\nreveal-IP-address = false\n";
  EXPECT_FALSE(NodeFixture(hidden + "tub.location = tor:a.onion:1\n").loaded().outbound_tcp);
  EXPECT_EQ(refusal_of(hidden + "tub.location = tor:a.onion:1,tcp:b:2\n"),
            "NODE/tahoe.cfg:4: section [node]: key 'reveal-ip-address': false contradicts "
            "tub.location, where 'tcp:b:2' announces an address; expected tor: or i2p: hints only");
  EXPECT_THAT(refusal_of(hidden), HasSubstr("where AUTO announces an address"));
  EXPECT_THAT(refusal_of("[node]\nreveal-IP-address = false\ntub.location = tor:a.onion:1\n"),
              HasSubstr("false contradicts [connections] tcp = tcp"));
  const NodeFixture through_tor("[connections]\ntcp = Tor\n");
  EXPECT_EQ(through_tor.refusal_code(), Errc::unsupported);
  EXPECT_THAT(through_tor.refusal(),
              HasSubstr("NODE/tahoe.cfg:2: section [connections]: key 'tcp': this node makes no "
                        "connections through Tor"));
  EXPECT_THAT(refusal_of("[connections]\ntcp = udp\n"), HasSubstr("expected tcp or disabled"));
  EXPECT_EQ(NodeFixture("[tor]\nonion = true\n").refusal_code(), Errc::unsupported);
  EXPECT_EQ(NodeFixture("[i2p]\ndest = true\n").refusal_code(), Errc::unsupported);
  EXPECT_EQ(refusal_of("[tor]\nonion = false\ncontrol.port = x\n[i2p]\ndest = false\n"),
            "(accepted)");
  EXPECT_THAT(refusal_of("[node]\nreveal-ip-address =\n"),
              HasSubstr("NODE/tahoe.cfg:2: section [node]: key 'reveal-ip-address': '' is not a "
                        "boolean"));
}

TEST(NodeConfig, ValuesAreReadOnlyWhereTheyCount) {
  // A lone '%' raises only when its value is read.
  EXPECT_EQ(refusal_of("[client]\nmutable.format = 5%\n"), "(accepted)");
  EXPECT_THAT(refusal_of("[node]\nnickname = 5%\n"),
              HasSubstr("NODE/tahoe.cfg:2: section [node]: key 'nickname': '%' must be doubled"));
  EXPECT_EQ(NodeFixture("[node]\nnickname = 5%%\n").loaded().nickname, "5%");
}

TEST(NodeConfig, NicknameIsLimited) {
  EXPECT_THAT(refusal_of("[node]\nnickname = " + std::string(1025, 'x') + "\n"),
              HasSubstr("key 'nickname': expected at most 1024 bytes"));
}

}  // namespace
}  // namespace sharestore
