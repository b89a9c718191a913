#include "config/endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/furl.h"
#include "config/service_url.h"

namespace sharestore {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Kind = ListenEndpoint::Kind;

ListenEndpoint one(std::string_view text) {
  const auto endpoints = parse_listen_endpoints(text);
  EXPECT_TRUE(endpoints.has_value()) << endpoints.error().message();
  if (!endpoints) return {};
  EXPECT_EQ(endpoints->size(), 1U);
  return endpoints->front();
}

std::string refused(std::string_view text) {
  const auto endpoints = parse_listen_endpoints(text);
  return endpoints ? "(accepted)" : endpoints.error().message();
}

TEST(Endpoint, Tcp) {
  const ListenEndpoint plain{Kind::tcp4, "", 3457, 0, "", {}};
  EXPECT_EQ(one("3457"), plain);
  EXPECT_EQ(one("tcp:3457"), plain);
  EXPECT_EQ(one("tcp:port=3457"), plain);
  EXPECT_EQ(one(" tcp:3457 "), plain);
  const ListenEndpoint local{Kind::tcp4, "127.0.0.1", 3457, 0, "", {}};
  EXPECT_EQ(one("tcp:3457:interface=127.0.0.1"), local);
  EXPECT_EQ(one("tcp:interface=127.0.0.1:port=3457"), local);
  EXPECT_EQ(one("tcp:3457:127.0.0.1"), local);
  EXPECT_EQ(one("tcp:3457:interface=localhost"), local);
  EXPECT_EQ(one("tcp:3457:backlog=100").backlog, 100);
  EXPECT_EQ(one("tcp:65535").port, 65535);
}

TEST(Endpoint, Tcp6) {
  EXPECT_EQ(one("tcp6:3457"), (ListenEndpoint{Kind::tcp6, "", 3457, 0, "", {}}));
  const ListenEndpoint local{Kind::tcp6, "::1", 3457, 0, "", {}};
  EXPECT_EQ(one(R"(tcp6:3457:interface=\:\:1)"), local);
  EXPECT_EQ(one(R"(tcp:3457:interface=\:\:1)"), local);
  EXPECT_EQ(one("tcp6:3457:interface=localhost"), local);
  EXPECT_THAT(refused("tcp6:3457:interface=127.0.0.1"), HasSubstr("numeric address"));
}

TEST(Endpoint, Unix) {
  EXPECT_EQ(one("unix:/run/web.sock"),
            (ListenEndpoint{Kind::unix_socket, "", 0, 0, "/run/web.sock", {}}));
  EXPECT_EQ(one("unix:address=/run/web.sock:mode=660:lockfile=0"),
            (ListenEndpoint{Kind::unix_socket, "", 0, 0, "/run/web.sock", 0660U}));
  EXPECT_THAT(refused("unix:"), HasSubstr("expected the path of a socket"));
  EXPECT_THAT(refused("unix:" + std::string(108, 'x')), HasSubstr("at most 107 bytes"));
  EXPECT_THAT(refused("unix:/a:mode=999"), HasSubstr("octal"));
  EXPECT_THAT(refused("unix:/a:mode=7777"), HasSubstr("octal"));
  EXPECT_THAT(refused("unix:/a:owner=x"), HasSubstr("unknown field 'owner'; expected mode"));
}

TEST(Endpoint, Lists) {
  const auto list = parse_listen_endpoints("tcp:3457, tcp6:3457,unix:/a");
  ASSERT_TRUE(list.has_value());
  EXPECT_EQ(list->size(), 3U);
  EXPECT_THAT(refused("tcp:1,"), HasSubstr("expected a port or an endpoint"));
  EXPECT_THAT(refused(""), HasSubstr("expected a port or an endpoint"));
  std::string many = "1";
  for (std::size_t i = 1; i < kMaxEndpoints; ++i) many += ",1";
  EXPECT_EQ(refused(many), "(accepted)");
  EXPECT_THAT(refused(many + ",1"), HasSubstr("expected at most 16 endpoints"));
}

TEST(Endpoint, RefusesPortZero) {
  for (const char* text :
       {"0", "tcp:0", "tcp:port=0", "tcp:0:interface=127.0.0.1", "tcp6:0", "tcp:00"}) {
    EXPECT_THAT(refused(text), HasSubstr("expected a port from 1 to 65535")) << text;
  }
}

TEST(Endpoint, RefusesOthers) {
  for (const char* text : {"tcp:", "tcp:65536", "tcp:x", "tcp:-1", "tcp:3457x"}) {
    EXPECT_THAT(refused(text), HasSubstr("expected a port from 1 to 65535")) << text;
  }
  EXPECT_THAT(refused("tcp:1:port=2"), HasSubstr("'port' is given twice"));
  EXPECT_THAT(refused("tcp:1:iface=2"), HasSubstr("unknown field 'iface'"));
  EXPECT_THAT(refused("tcp:1:2:3:4"), HasSubstr("too many fields"));
  EXPECT_THAT(refused("tcp:1:interface=example.org"), HasSubstr("numeric address"));
  EXPECT_THAT(refused("tcp:1:backlog=0"), HasSubstr("expected a backlog"));
  EXPECT_THAT(refused("udp:1"), HasSubstr("expected a port or an endpoint"));
}

TEST(Endpoint, SaysWhatThisNodeCannotServe) {
  for (const char* text :
       {"listen:tor", "listen:i2p", "onion:80", "ssl:443", "systemd:domain=INET"}) {
    const auto endpoints = parse_listen_endpoints(text);
    ASSERT_FALSE(endpoints.has_value()) << text;
    EXPECT_EQ(endpoints.error().code(), Errc::unsupported) << text;
  }
  EXPECT_THAT(refused("listen:tor"), HasSubstr("this node starts no onion or I2P service"));
}

std::string hint_refused(std::string_view text) {
  const auto hints = parse_location_hints(text);
  return hints ? "(accepted)" : hints.error().message();
}

TEST(LocationHint, Kinds) {
  using Hint = LocationHint::Kind;
  const auto hints = parse_location_hints(
      "tcp:example.org:3457, tor:abc.onion:80,i2p:x.b32.i2p:3457, 192.0.2.1:1,tcp:[2001:db8::1]:2,"
      "AUTO");
  ASSERT_TRUE(hints.has_value()) << hints.error().message();
  EXPECT_THAT(*hints,
              ElementsAre(LocationHint{Hint::tcp, "example.org", 3457, "tcp:example.org:3457"},
                          LocationHint{Hint::tor, "abc.onion", 80, "tor:abc.onion:80"},
                          LocationHint{Hint::i2p, "x.b32.i2p:3457", 0, "i2p:x.b32.i2p:3457"},
                          LocationHint{Hint::tcp, "192.0.2.1", 1, "tcp:192.0.2.1:1"},
                          LocationHint{Hint::tcp, "2001:db8::1", 2, "tcp:[2001:db8::1]:2"},
                          LocationHint{Hint::automatic, "", 0, ""}));
}

TEST(LocationHint, RefusesOthers) {
  for (const char* text :
       {"", "example.org", "tcp:example.org", "tcp::1", "tcp:a:0", "tcp:a:65536", "tcp:a b:1",
        "tcp:a/b:1", "tcp:[zz]:1", "tcp:2001:db8::1:2", "tcp:a:1,", "auto", "udp:a:1", "tor:a"}) {
    EXPECT_THAT(hint_refused(text), HasSubstr("expected a hint")) << text;
  }
  EXPECT_THAT(hint_refused("i2p:"), HasSubstr("expected an I2P destination"));
  std::string many = "a:1";
  for (std::size_t i = 1; i < kMaxLocationHints; ++i) many += ",a:1";
  EXPECT_EQ(hint_refused(many), "(accepted)");
  EXPECT_THAT(hint_refused(many + ",a:1"), HasSubstr("expected at most 32 hints"));
}

TEST(ServiceUrl, Parts) {
  const auto url = parse_service_url("HTTPS://Store.Example.org:8443/auth/v3/");
  ASSERT_TRUE(url.has_value());
  EXPECT_EQ(*url, (ServiceUrl{true, "store.example.org", 8443, "/auth/v3", true}));
  EXPECT_EQ(url->to_string(), "https://store.example.org:8443/auth/v3");
  EXPECT_EQ(parse_service_url("http://a").value(), (ServiceUrl{false, "a", 80, "", false}));
  EXPECT_EQ(parse_service_url("https://a/").value(), (ServiceUrl{true, "a", 443, "", false}));
  const auto six = parse_service_url("http://[2001:DB8::1]:80/x");
  ASSERT_TRUE(six.has_value());
  EXPECT_EQ(six->host, "2001:db8::1");
  EXPECT_EQ(six->to_string(), "http://[2001:db8::1]/x");
}

TEST(ServiceUrl, Loopback) {
  for (const char* text :
       {"http://localhost", "http://127.0.0.1:1", "http://127.9.9.9", "http://[::1]"}) {
    EXPECT_TRUE(parse_service_url(text)->is_loopback()) << text;
  }
  for (const char* text : {"http://example.org", "http://128.0.0.1", "http://[::2]",
                           "http://localhost.example.org", "http://127.example.org"}) {
    EXPECT_FALSE(parse_service_url(text)->is_loopback()) << text;
  }
}

TEST(ServiceUrl, RefusesOthers) {
  for (const char* text :
       {"", "store", "ftp://a", "https//a", "https://", "https://:1", "https://a:0",
        "https://a:70000", "https://a:x", "https://a:", "https://a?b", "https://a#b", "https://a b",
        "https://a\nb", "https://[::1", "https://[x]", "https://[::1]1", "https://a\\b"}) {
    EXPECT_FALSE(parse_service_url(text).has_value()) << text;
  }
  const auto with_user = parse_service_url("https://me:hunter2@a");
  ASSERT_FALSE(with_user.has_value());
  EXPECT_THAT(with_user.error().message(), testing::Not(HasSubstr("hunter2")));
}

TEST(Furl, Parts) {
  const auto furl = parse_furl("pb://aaaabbbbccccddddeeeeffff22223333@tcp:a:1,tor:b:2/swiss/num");
  ASSERT_TRUE(furl.has_value()) << furl.error().message();
  EXPECT_EQ(furl->tub_id, "aaaabbbbccccddddeeeeffff22223333");
  EXPECT_THAT(furl->hints, ElementsAre("tcp:a:1", "tor:b:2"));
  EXPECT_EQ(furl->name, "swiss/num");
  EXPECT_THAT(parse_furl("pb://aaaabbbbccccddddeeeeffff22223333@/n")->hints, ElementsAre());
}

TEST(Furl, RefusesOthersWithoutRepeatingThem) {
  const std::string id = "pb://aaaabbbbccccddddeeeeffff22223333";
  const std::vector<std::string> texts = {"",
                                          "None",
                                          "http://sekrit",
                                          id,
                                          id + "@tcp:sekrit:1",
                                          id + "@a/",
                                          id + "@a/sek rit",
                                          id + "@a/sekrit#x",
                                          "pb://short@a/sekrit",
                                          "pb://AAAABBBBCCCCDDDDEEEEFFFF22223333@a/sekrit",
                                          id + "@a/" + std::string(5000, 's'),
                                          "pb:/sekrit@a/b",
                                          "pb://@a/sekrit"};
  for (const std::string& text : texts) {
    const auto furl = parse_furl(text);
    ASSERT_FALSE(furl.has_value()) << text;
    EXPECT_THAT(furl.error().message(), HasSubstr("expected a FURL pb://TUBID@")) << text;
    EXPECT_THAT(furl.error().message(), testing::Not(HasSubstr("sek"))) << text;
  }
}

}  // namespace
}  // namespace sharestore
