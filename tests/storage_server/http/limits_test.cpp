// Each limit: what lies within it works, what lies beyond is refused or closed.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "storage_server/http/buffer_pool.h"
#include "tests/storage_server/http/server_fixture.h"

namespace sharestore::http {
namespace {

using std::chrono::seconds;
using test::HeaderList;
using test::TlsClient;

class LimitsTest : public HttpServerTest {
 protected:
  // The status of a head that must close the connection.
  int refused(std::string_view head) {
    auto client = connect();
    if (!client.send(head)) return -1;
    auto answer = client.read_answer();
    if (!answer) return -2;
    EXPECT_EQ(answer->header("connection"), "close");
    EXPECT_TRUE(client.wait_closed());
    return answer->status;
  }
  bool open_connections(std::uint64_t count) {
    return eventually([&] { return server_->metrics().connections_open == count; });
  }
};

TEST_F(LimitsTest, HeadSizes) {
  start();
  auto client = connect();
  std::string frame = "GET /version HTTP/1.1\r\nX: \r\n\r\n";
  std::string fill(16 * 1024 - frame.size(), 'x');
  ASSERT_TRUE(client.send("GET /version HTTP/1.1\r\nX: " + fill + "\r\n\r\n"));
  EXPECT_EQ(client.read_answer()->status, 200);
  EXPECT_EQ(refused("GET /version HTTP/1.1\r\nX: x" + fill + "\r\n\r\n"), 431);
  EXPECT_EQ(refused("GET /version HTTP/1.1\r\nX: " + std::string(20'000, 'x')), 431)
      << "refused without waiting for its end";

  HeaderList lines(500 - 1, {"X", "y"});  // and Host
  EXPECT_EQ(client.request("GET", "/version", lines)->status, 200);
  lines.emplace_back("X", "y");
  EXPECT_EQ(refused(TlsClient::format_request("GET", "/version", lines, "")), 431);

  std::string target = "/version?" + std::string(8 * 1024 - 9, 'q');
  EXPECT_EQ(client.request("GET", target)->status, 200);
  EXPECT_EQ(refused("GET " + target + "q HTTP/1.1\r\n\r\n"), 414);
  EXPECT_EQ(refused("GET /" + std::string(16'400, 'q')), 414);
  EXPECT_EQ(refused(std::string(17'000, 'G')), 414);
}

TEST_F(LimitsTest, BadHeads) {
  start();
  EXPECT_EQ(refused("GET /version HTTP/1.1\n\n"), 400);
  EXPECT_EQ(refused("GET /version HTTP/1.1\r\nHost : x\r\n\r\n"), 400);
  EXPECT_EQ(refused("GET /version HTTP/2.0\r\n\r\n"), 505);
  EXPECT_EQ(refused("PUT /echo HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n"), 501);
  EXPECT_EQ(refused("PUT /echo HTTP/1.1\r\nExpect: cake\r\n\r\n"), 417);
  EXPECT_EQ(refused("PUT /echo HTTP/1.1\r\nContent-Length: 1\r\n"
                    "Transfer-Encoding: chunked\r\n\r\n"),
            400);
}

TEST_F(LimitsTest, HandshakeTime) {
  start();
  auto silent = TlsClient::connect_silent(client_options());
  auto half = TlsClient::connect_silent(client_options());
  ASSERT_TRUE(half->send_raw(std::string_view("\x16\x03\x01", 3)));
  ASSERT_TRUE(open_connections(2));
  pass(seconds(9));
  EXPECT_EQ(server_->metrics().connections_open, 2u);
  ASSERT_TRUE(half->send_raw(std::string_view("\x02", 1)));  // a byte buys no time
  EXPECT_TRUE(eventually([&] { return server_->metrics().bytes_in == 4; }));
  pass(seconds(1));
  EXPECT_EQ(server_->metrics().connections_open, 0u);
  EXPECT_EQ(server_->metrics().timeouts, 2u);
}

TEST_F(LimitsTest, SlowHeadsAreEnded) {
  start();
  auto client = connect();
  ASSERT_TRUE(client.send("GET /version HT"));
  std::uint64_t before = 0;
  ASSERT_TRUE(eventually([&] {
    std::uint64_t now = server_->metrics().bytes_in;
    return std::exchange(before, now) == now && server_->metrics().handshakes == 1;
  }));
  pass(seconds(6));
  ASSERT_TRUE(client.send("T"));
  EXPECT_TRUE(eventually([&] { return server_->metrics().bytes_in > before; }));
  EXPECT_EQ(server_->metrics().connections_open, 1u);
  pass(seconds(4));  // 10 s since the first byte, though the last came 4 s ago
  EXPECT_TRUE(client.wait_closed());
  EXPECT_EQ(server_->metrics().timeouts, 1u);
}

TEST_F(LimitsTest, IdleTime) {
  start();
  auto client = connect();
  ASSERT_TRUE(client.request("GET", "/version"));
  pass(seconds(59));
  ASSERT_TRUE(client.request("GET", "/version"));
  pass(seconds(59));
  ASSERT_TRUE(client.request("GET", "/version")) << "each request starts the time anew";
  pass(seconds(60));
  EXPECT_TRUE(client.wait_closed());
  EXPECT_EQ(server_->metrics().timeouts, 0u) << "an idle end is no failure";
  client.close();
  EXPECT_TRUE(open_connections(0));
}

TEST_F(LimitsTest, ABodyThatStopsFailsTheRead) {
  start();
  auto client = connect();
  ASSERT_TRUE(client.send("PUT /count HTTP/1.1\r\nContent-Length: 100\r\n\r\n12345"));
  ASSERT_TRUE(eventually([&] { return handler_.body_bytes == 5; }));
  pass(seconds(29));
  EXPECT_EQ(handler_.last_body_error, -1);
  pass(seconds(1));
  auto answer = client.read_answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 408);
  EXPECT_EQ(answer->header("connection"), "close");
  EXPECT_EQ(handler_.last_body_error, static_cast<int>(Errc::timed_out));
}

TEST_F(LimitsTest, ABodyBelowTheRateFloorFailsTheRead) {
  start();
  auto client = connect();
  ASSERT_TRUE(client.send("PUT /count HTTP/1.1\r\nContent-Length: 100000\r\n\r\n"));
  ASSERT_TRUE(eventually(
      [&] { return handler_.last_body_error == -1 && server_->metrics().requests_running == 1; }));
  // 2 kB every 10 s buy two seconds each: 30 + 2n seconds are up after the fourth.
  std::uint64_t sent = 0;
  for (int i = 1; i <= 3; ++i) {
    pass(seconds(10));
    ASSERT_TRUE(client.send(std::string(2048, 'x')));
    sent += 2048;
    ASSERT_TRUE(eventually([&] { return handler_.body_bytes == sent; }));
  }
  pass(seconds(10));
  ASSERT_TRUE(client.send("x"));
  auto answer = client.read_answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 408);
}

TEST_F(LimitsTest, AClientThatDoesNotReadIsCutOff) {
  start();
  auto options = client_options();
  options.receive_buffer_bytes = 4096;
  auto client = connect(options);
  ASSERT_TRUE(client.send(TlsClient::format_request("GET", "/stream/100000000", {}, "")));
  std::uint64_t before = 0;
  int still = 0;
  ASSERT_TRUE(eventually([&] {  // until the socket is full
    std::uint64_t now = server_->metrics().bytes_out;
    still = now > 100'000 && now == before ? still + 1 : 0;
    before = now;
    return still == 200;
  }));
  pass(seconds(29));
  EXPECT_EQ(server_->metrics().connections_open, 1u);
  pass(seconds(31));
  EXPECT_TRUE(open_connections(0));
  EXPECT_EQ(server_->metrics().timeouts, 1u);
}

TEST_F(LimitsTest, DrainingAndLingeringAreBoundedInTime) {
  start();
  auto draining = connect();
  ASSERT_TRUE(draining.send("PUT /refuse HTTP/1.1\r\nContent-Length: 100\r\n\r\n"));
  ASSERT_TRUE(draining.read_answer());
  auto lingering = connect();
  ASSERT_TRUE(lingering.send("PUT /refuse HTTP/1.1\r\nContent-Length: 10000000\r\n\r\n"));
  ASSERT_TRUE(lingering.read_answer());
  ASSERT_TRUE(open_connections(2));
  pass(seconds(4));
  EXPECT_EQ(server_->metrics().connections_open, 2u);
  pass(seconds(2));
  EXPECT_TRUE(open_connections(0));
}

TEST_F(LimitsTest, LingeringIsBoundedInBytes) {
  start([](ServerOptions& options) { options.limits.linger_bytes = 1 << 20; });
  auto client = connect();
  ASSERT_TRUE(client.send("PUT /refuse HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n"));
  bool failed = false;
  for (int i = 0; i < 1000 && !failed; ++i) failed = !client.send(std::string(65536, 'x'));
  EXPECT_TRUE(failed);
  EXPECT_TRUE(open_connections(0));
}

TEST_F(LimitsTest, Connections) {
  start([](ServerOptions& options) { options.limits.connections = 2; });
  auto first = connect();
  auto second = connect();
  EXPECT_FALSE(TlsClient::connect(client_options()));
  EXPECT_EQ(server_->metrics().connections_refused, 1u);
  first.close();
  ASSERT_TRUE(open_connections(1));
  EXPECT_TRUE(TlsClient::connect(client_options()));
}

TEST_F(LimitsTest, ConnectionsOfOneAddress) {
  start([](ServerOptions& options) {
    options.limits.connections_per_address = 2;
    options.limits.limit_loopback = true;
  });
  auto first = connect();
  auto second = connect();
  EXPECT_FALSE(TlsClient::connect(client_options()));
  second.close();
  ASSERT_TRUE(open_connections(1));
  EXPECT_TRUE(TlsClient::connect(client_options()));
}

TEST_F(LimitsTest, LoopbackStandsForManyClients) {
  start([](ServerOptions& options) { options.limits.connections_per_address = 1; });
  auto first = connect();
  EXPECT_TRUE(TlsClient::connect(client_options()));
}

TEST_F(LimitsTest, RequestsInFlight) {
  start([](ServerOptions& options) { options.limits.requests_in_flight = 2; });
  auto first = connect();
  auto second = connect();
  auto third = connect();
  ASSERT_TRUE(first.send(TlsClient::format_request("GET", "/wait", {}, "")));
  ASSERT_TRUE(second.send(TlsClient::format_request("GET", "/wait", {}, "")));
  ASSERT_TRUE(eventually([&] { return handler_.waiting == 2; }));
  auto busy = third.request("PUT", "/echo", {}, "body");
  ASSERT_TRUE(busy);
  EXPECT_EQ(busy->status, 503);
  EXPECT_EQ(busy->header("retry-after"), "5");
  EXPECT_EQ(third.request("GET", "/version")->status, 200) << "what needs no handler still works";
  handler_.release = true;
  EXPECT_EQ(first.read_answer()->body, "released\n");
  EXPECT_EQ(second.read_answer()->body, "released\n");
  EXPECT_EQ(third.request("PUT", "/echo", {}, "body")->body, "body");
}

TEST_F(LimitsTest, AcceptPausesWhenDescriptorsRunOut) {
  start();
  auto before = connect();
  ASSERT_TRUE(before.request("GET", "/version"));
  auto waiting = TlsClient::connect_silent(client_options());
  ASSERT_TRUE(waiting);
  ASSERT_TRUE(open_connections(2));
  rlimit old{};
  getrlimit(RLIMIT_NOFILE, &old);
  // The next descriptor is the last: it goes to the client's end of the connection.
  int next = dup(0);
  close(next);
  rlimit tight = old;
  tight.rlim_cur = static_cast<rlim_t>(next) + 1;
  setrlimit(RLIMIT_NOFILE, &tight);
  auto refused = TlsClient::connect_silent(client_options());
  bool paused = eventually([&] { return server_->metrics().accept_pauses == 1; });
  setrlimit(RLIMIT_NOFILE, &old);
  EXPECT_TRUE(paused);
  ASSERT_TRUE(refused);
  EXPECT_EQ(before.request("GET", "/version")->status, 200) << "the others are served meanwhile";
  pass(seconds(1));
  EXPECT_TRUE(refused->start_tls());
  EXPECT_EQ(refused->request("GET", "/version")->status, 200);
}

TEST_F(LimitsTest, BodiesWaitForMemoryAndVersionDoesNot) {
  start();
  std::size_t base = memory_->used_bytes();
  auto holder = memory_->try_acquire(memory_->limit_bytes() - base);
  ASSERT_TRUE(holder);
  auto upload = connect();
  ASSERT_TRUE(upload.send("PUT /count HTTP/1.1\r\nContent-Length: 300000\r\n\r\n"));
  ASSERT_TRUE(eventually([&] { return memory_->waiters() == 1; }));
  auto poller = connect();
  EXPECT_EQ(poller.request("GET", "/version")->body, "ok\n");
  EXPECT_EQ(poller.request("GET", "/bytes/1000000")->body, body_text(1'000'000))
      << "answers go on in small pieces";
  EXPECT_EQ(handler_.body_bytes, 0u);
  holder->release();
  ASSERT_TRUE(upload.send(std::string(300'000, 'x')));
  EXPECT_EQ(upload.read_answer()->body, "300000");
}

TEST_F(LimitsTest, NoMemoryInTimeFailsTheRead) {
  start();
  auto holder = memory_->charge(memory_->limit_bytes());
  auto upload = connect();
  ASSERT_TRUE(upload.send("PUT /count HTTP/1.1\r\nContent-Length: 5\r\n\r\n"));
  ASSERT_TRUE(eventually([&] { return memory_->waiters() == 1; }));
  pass(seconds(50));
  EXPECT_TRUE(upload.read_answer());
  EXPECT_EQ(handler_.last_body_error, static_cast<int>(Errc::busy));
}

TEST_F(LimitsTest, WhatAConnectionHoldsIsReadWithoutMoreMemory) {
  start();
  auto holder = memory_->charge(memory_->limit_bytes());
  auto upload = connect();
  ASSERT_TRUE(upload.send("PUT /count HTTP/1.1\r\nContent-Length: 5\r\n\r\n12345"));
  EXPECT_EQ(upload.read_answer()->body, "5");
}

// What came with their heads is more than the whole budget.
TEST_F(LimitsTest, UploadsDoNotWaitForMemoryThatTheyHoldThemselves) {
  memory_ = std::make_unique<MemoryBudget>(1 << 20);
  start();
  std::vector<TlsClient> clients;
  {
    auto holder = memory_->charge(memory_->limit_bytes());
    for (int i = 0; i < 60; ++i) {
      clients.push_back(connect());
      ASSERT_TRUE(clients.back().send("PUT /count HTTP/1.1\r\nContent-Length: 100000\r\n\r\n" +
                                      std::string(30'000, 'x')));
    }
    ASSERT_TRUE(eventually([&] { return memory_->waiters() == clients.size(); }));
  }
  for (auto& client : clients) ASSERT_TRUE(client.send(std::string(70'000, 'x')));
  for (auto& client : clients) EXPECT_EQ(client.read_answer()->body, "100000");
}

TEST_F(LimitsTest, PiecesAreChargedUntilTheyAreReleased) {
  start();
  handler_.hold_bodies = true;
  auto client = connect();
  std::size_t before = memory_->used_bytes();
  ASSERT_TRUE(client.send("PUT /count HTTP/1.1\r\nContent-Length: 2000001\r\n\r\n"));
  ASSERT_TRUE(client.send(std::string(2'000'000, 'x')));
  ASSERT_TRUE(eventually([&] { return handler_.body_bytes == 2'000'000; }));
  EXPECT_GE(memory_->used_bytes(), before + 2'000'000);
  ASSERT_TRUE(client.send("x"));
  EXPECT_EQ(client.read_answer()->body, "2000001");
  EXPECT_TRUE(
      eventually([&] { return memory_->used_bytes() < before + 2 * BufferPool::kLargeBytes; }));
}

TEST_F(LimitsTest, ManySlowUploadsStayWithinTheBudget) {
  constexpr std::size_t kBudget = 4 << 20;
  memory_ = std::make_unique<MemoryBudget>(kBudget);
  start();
  std::vector<TlsClient> clients;
  for (int i = 0; i < 40; ++i) {
    clients.push_back(connect());
    ASSERT_TRUE(clients.back().send("PUT /count HTTP/1.1\r\nContent-Length: 400000\r\n\r\n"));
  }
  for (int piece = 0; piece < 4; ++piece) {
    for (auto& client : clients) ASSERT_TRUE(client.send(std::string(100'000, 'x')));
  }
  for (auto& client : clients) EXPECT_EQ(client.read_answer()->body, "400000");
  EXPECT_LE(memory_->peak_bytes(), kBudget + (1 << 20));
}

}  // namespace
}  // namespace sharestore::http
