// What the port accepts as TLS, and what else it is told.
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include "storage_server/http/response_writer.h"
#include "storage_server/http/tls_engine.h"
#include "tests/storage_server/http/server_fixture.h"

namespace sharestore::http {
namespace {

using test::TlsClient;

class TlsTest : public HttpServerTest {};

TEST_F(TlsTest, Speaks12And13WithHttp11Alpn) {
  start();
  for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    auto options = client_options();
    options.min_version = options.max_version = version;
    options.alpn = {"h2", "http/1.1"};
    auto client = connect(options);
    EXPECT_EQ(client.tls_version(), version == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3");
    EXPECT_EQ(client.alpn(), "http/1.1");
    EXPECT_EQ(client.peer_certificate_pem(), certificate().certificate_pem);
    EXPECT_EQ(client.request("GET", "/bytes/100000")->body, body_text(100'000));
    EXPECT_EQ(client.request("PUT", "/count", {}, std::string(500'000, 'x'))->body, "500000");
  }
  EXPECT_EQ(server_->metrics().handshakes, 2u);
}

TEST_F(TlsTest, WithoutAlpnOrWithUnknownProtocolsThereIsNone) {
  start();
  EXPECT_EQ(connect().alpn(), "");
  auto options = client_options();
  options.alpn = {"h2"};
  EXPECT_EQ(connect(options).alpn(), "");
}

TEST_F(TlsTest, RefusesOldVersions) {
  start();
  auto options = client_options();
  options.allow_weak = true;
  options.min_version = TLS1_VERSION;
  options.max_version = TLS1_1_VERSION;
  EXPECT_FALSE(TlsClient::connect(options));
  EXPECT_TRUE(eventually([&] { return server_->metrics().handshakes_failed == 1; }));
  EXPECT_EQ(server_->metrics().handshakes, 0u);
}

TEST_F(TlsTest, ServesRsaCertificatesOfTakenOverNodes) {
  auto rsa = test::make_rsa_test_certificate();
  start([&](ServerOptions& options) {
    options.tls = TlsIdentity{rsa.certificate_pem, Secret(rsa.key_pem)};
  });
  auto client = connect();
  EXPECT_EQ(client.peer_certificate_pem(), rsa.certificate_pem);
  EXPECT_EQ(client.request("GET", "/version")->body, "ok\n");
}

TEST_F(TlsTest, ResumesSessionsOnEveryWorker) {
  start([](ServerOptions& options) { options.workers = 2; });
  for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    auto options = client_options();
    options.min_version = options.max_version = version;
    auto first = connect(options);
    EXPECT_FALSE(first.resumed());
    ASSERT_TRUE(first.request("GET", "/version"));
    options.session = first.session();
    ASSERT_TRUE(options.session);
    for (int i = 0; i < 8; ++i) {  // the kernel spreads them over both workers
      auto again = connect(options);
      EXPECT_TRUE(again.resumed());
      EXPECT_EQ(again.request("GET", "/version")->body, "ok\n");
      // OpenSSL's client uses a TLS 1.3 session once; each connection brings the next.
      if (again.session()) options.session = again.session();
    }
  }
  EXPECT_EQ(server_->metrics().handshakes_resumed, 16u);
}

TEST_F(TlsTest, TicketKeysChangeAndOldTicketsEnd) {
  start();
  auto options = client_options();
  options.max_version = TLS1_2_VERSION;
  auto first = connect(options);
  options.session = first.session();
  ASSERT_TRUE(options.session);
  pass(TicketKeys::kPeriod + std::chrono::minutes(1));
  EXPECT_TRUE(connect(options).resumed()) << "sealed by the key before";
  pass(TicketKeys::kPeriod);
  EXPECT_FALSE(connect(options).resumed());
}

TEST_F(TlsTest, GarbageBeforeTlsJustCloses) {
  start();
  for (std::string_view garbage :
       {std::string_view("HELO there\r\n"), std::string_view("\0\0\0\0", 4),
        std::string_view("GET / HTTP/1.1\r\n\r\n"), std::string_view("GET /ie"),
        std::string_view("\x15\x03\x01\x00\x02\x02\x28", 7)}) {
    auto client = TlsClient::connect_silent(client_options());
    ASSERT_TRUE(client);
    ASSERT_TRUE(client->send_raw(garbage));
    auto answer = client->read_raw_to_end();
    if (answer) {
      EXPECT_EQ(*answer, "");
    }
  }
  EXPECT_TRUE(eventually([&] { return server_->metrics().handshakes_failed == 5; }));
  EXPECT_EQ(connect().request("GET", "/version")->body, "ok\n");
}

TEST_F(TlsTest, GarbageInsideTlsEndsTheConnection) {
  start();
  auto client = connect();
  ASSERT_TRUE(client.send_raw(std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x')));
  EXPECT_FALSE(client.wait_closed() && client.request("GET", "/version"));
  auto early = TlsClient::connect_silent(client_options());
  ASSERT_TRUE(early->send_raw(std::string("\x16\x03\x01\x00\x10", 5) + std::string(16, 'x')));
  EXPECT_TRUE(early->read_raw_to_end());
  pass(std::chrono::seconds(6));  // these clients do not close their side
  EXPECT_TRUE(eventually([&] { return server_->metrics().connections_open == 0; }));
}

TEST_F(TlsTest, AFoolscapClientIsToldInPlainText) {
  start();
  auto client = TlsClient::connect_silent(client_options());
  ASSERT_TRUE(client->send_raw("GET /i"));  // in two pieces
  EXPECT_TRUE(eventually([&] { return server_->metrics().bytes_in == 6; }));
  ASSERT_TRUE(
      client->send_raw("d/abcdefghijklmnopqrstuvwxyz234567 HTTP/1.1\r\nHost: h\r\n"
                       "Upgrade: TLS/1.0\r\nConnection: Upgrade\r\n\r\n"));
  auto answer = client->read_raw_to_end();
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(*answer, kFoolscapRefusal);
  EXPECT_TRUE(answer->starts_with("HTTP/1.1 500 Internal Server Error: "));
  EXPECT_TRUE(answer->ends_with("\r\n\r\n"));
  EXPECT_EQ(server_->metrics().foolscap_refused, 1u);
}

TEST_F(TlsTest, ATinyRecordPerByteIsStillARequest) {
  start();
  auto client = connect();
  for (char c : std::string_view("GET /version HTTP/1.1\r\nHost: x\r\n\r\n")) {
    ASSERT_TRUE(client.send({&c, 1}));
  }
  EXPECT_EQ(client.read_answer()->body, "ok\n");
}

TEST(TlsContext, RefusesWhatIsNoIdentity) {
  FakeClock clock;
  auto keys = std::make_shared<TicketKeys>(clock);
  auto one = test::make_test_certificate();
  auto other = test::make_test_certificate();
  EXPECT_TRUE(TlsContext::create(one.certificate_pem, one.key_pem, keys));
  for (const auto& [certificate, key] :
       std::vector<std::pair<std::string, std::string>>{{"", one.key_pem},
                                                        {one.certificate_pem, ""},
                                                        {"nonsense", "nonsense"},
                                                        {one.certificate_pem, other.key_pem}}) {
    auto made = TlsContext::create(certificate, key, keys);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code(), Errc::invalid_argument);
  }
}

}  // namespace
}  // namespace sharestore::http
