// Requests and answers over real sockets: what HTTP/1.1 promises.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/storage_server/http/server_fixture.h"

namespace sharestore::http {
namespace {

using test::TlsClient;

// Every case over TLS and over plain HTTP.
class ExchangeTest : public HttpServerTest, public testing::WithParamInterface<bool> {
 protected:
  void SetUp() override { tls_ = GetParam(); }
};
INSTANTIATE_TEST_SUITE_P(Transport, ExchangeTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "Tls" : "Plain"; });

TEST_P(ExchangeTest, AnswersAndKeepsTheConnection) {
  start();
  auto client = connect();
  for (int i = 0; i < 5; ++i) {
    auto answer = client.request("GET", "/version");
    ASSERT_TRUE(answer) << answer.error().message();
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(answer->version, "HTTP/1.1");
    EXPECT_EQ(answer->reason, "OK");
    EXPECT_EQ(answer->body, "ok\n");
    EXPECT_EQ(answer->header("content-length"), "3");
    EXPECT_EQ(answer->header("content-type"), "text/plain");
    EXPECT_EQ(answer->header("date"), "Tue, 14 Nov 2023 22:13:20 GMT");
    EXPECT_FALSE(answer->header("connection"));
  }
  EXPECT_EQ(server_->metrics().connections_accepted, 1u);
  EXPECT_EQ(answers(200), 5u);
}

TEST_P(ExchangeTest, DateFollowsTheClock) {
  start();
  auto client = connect();
  clock_.advance(std::chrono::seconds(21));
  EXPECT_EQ(client.request("GET", "/version")->header("date"), "Tue, 14 Nov 2023 22:13:41 GMT");
}

TEST_P(ExchangeTest, BodiesOfEverySizeArriveWhole) {
  start();
  auto client = connect();
  for (const char* kind : {"/bytes/", "/stream/", "/cold/"}) {
    for (std::uint64_t size : {0, 1, 1000, 16000, 16384, 16385, 65536, 262144, 1'000'003}) {
      auto answer = client.request("GET", kind + std::to_string(size));
      ASSERT_TRUE(answer) << kind << size << ": " << answer.error().message();
      EXPECT_EQ(answer->header("content-length"), std::to_string(size));
      EXPECT_TRUE(answer->body == body_text(size)) << kind << size;
    }
  }
}

TEST_P(ExchangeTest, TenMegabytesFromEverySource) {
  start();
  auto client = connect();
  std::string expected = body_text(10'000'000);
  for (const char* kind : {"/bytes/", "/stream/", "/cold/"}) {
    auto answer = client.request("GET", std::string(kind) + "10000000");
    ASSERT_TRUE(answer) << answer.error().message();
    EXPECT_TRUE(answer->body == expected) << kind;
  }
}

TEST_P(ExchangeTest, HeadHasTheSameHeadAndNoBody) {
  start();
  auto client = connect();
  auto get = client.request("GET", "/bytes/70000");
  auto head = client.request("HEAD", "/bytes/70000");
  ASSERT_TRUE(get && head);
  EXPECT_EQ(head->head, get->head);
  EXPECT_TRUE(head->body.empty());
  EXPECT_EQ(client.request("HEAD", "/cold/500")->header("content-length"), "500");
  EXPECT_EQ(client.request("GET", "/version")->body, "ok\n");
}

TEST_P(ExchangeTest, NoContentHasNoLength) {
  start();
  auto client = connect();
  auto answer = client.request("GET", "/status/204");
  ASSERT_TRUE(answer);
  EXPECT_FALSE(answer->header("content-length"));
  EXPECT_EQ(client.request("GET", "/status/201")->header("content-length"), "0");
}

TEST_P(ExchangeTest, PipelinedRequestsAreAnsweredInOrder) {
  start();
  auto client = connect();
  std::string text;
  for (int i = 0; i < 500; ++i) {
    text += TlsClient::format_request("GET", fmt::format("/bytes/{}", i), {}, "");
    if (i % 50 == 7) text += TlsClient::format_request("POST", "/echo", {}, std::to_string(i));
    if (i % 50 == 9) text += TlsClient::format_request("POST", "/lines", {{"X-Line", "x"}}, "");
  }
  std::thread sender([&] { EXPECT_TRUE(client.send(text)); });
  sender.join();
  for (int i = 0; i < 500; ++i) {
    auto answer = client.read_answer();
    ASSERT_TRUE(answer) << i << answer.error().message();
    ASSERT_EQ(answer->body, body_text(static_cast<std::uint64_t>(i)));
    if (i % 50 == 7) {
      ASSERT_EQ(client.read_answer()->body, std::to_string(i));
    }
    if (i % 50 == 9) {
      ASSERT_EQ(client.read_answer()->body, "3[x] POST /lines ");
    }
  }
}

TEST_P(ExchangeTest, HeadsMayComeByteByByte) {
  start();
  auto client = connect();
  for (char c : TlsClient::format_request("GET", "/bytes/3", {{"X-Line", "y"}}, "")) {
    ASSERT_TRUE(client.send({&c, 1}));
  }
  EXPECT_EQ(client.read_answer()->body, body_text(3));
  for (char c : TlsClient::format_request("PUT", "/echo", {}, "a body")) {
    ASSERT_TRUE(client.send({&c, 1}));
  }
  EXPECT_EQ(client.read_answer()->body, "a body");
}

TEST_P(ExchangeTest, RequestTextReachesTheHandlerUnchanged) {
  start();
  auto client = connect();
  auto answer = client.request(
      "PURGE", "/lines?a=%20&b",
      {{"X-Line", "one,  two"}, {"x-other", ""}, {"X-Line", " t\t"}, {"X-Line", "\xff\x80"}});
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->body, "5[one,  two][t][\xff\x80] PURGE /lines a=%20&b");
}

TEST_P(ExchangeTest, Http10ClosesUnlessAskedToStay) {
  start();
  auto client = connect();
  ASSERT_TRUE(client.send("GET /version HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
  auto first = client.read_answer();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->header("connection"), "keep-alive");
  ASSERT_TRUE(client.send("GET /version HTTP/1.0\r\n\r\n"));
  auto second = client.read_answer();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->header("connection"), "close");
  EXPECT_TRUE(client.wait_closed());
}

TEST_P(ExchangeTest, ConnectionCloseIsHonoured) {
  start();
  auto client = connect();
  auto answer = client.request("GET", "/bytes/300000", {{"Connection", "foo, Close"}});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body.size(), 300000u);
  EXPECT_EQ(answer->header("connection"), "close");
  EXPECT_TRUE(client.wait_closed());
}

TEST_P(ExchangeTest, UploadsOfEverySizeArriveWhole) {
  start();
  auto client = connect();
  for (std::uint64_t size : {0, 1, 999, 1000, 1001, 16384, 40000, 100'000}) {
    std::string body = body_text(size);
    auto answer = client.request("PUT", "/echo", {}, body);
    ASSERT_TRUE(answer) << size << ": " << answer.error().message();
    EXPECT_TRUE(answer->body == body) << size;
  }
  EXPECT_EQ(client.request("PATCH", "/count", {}, std::string(20 << 20, 'x'))->body, "20971520");
  EXPECT_EQ(memory_->used_bytes() < 5u << 20, true);
}

TEST_P(ExchangeTest, ChunkedBodiesAreDecoded) {
  start();
  auto client = connect();
  ASSERT_TRUE(client.send(
      "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n"
      "5\r\nhello\r\n00A;name=\"v\"\r\n, chunked \r\n5\r\nworld\r\n0\r\nX-Trailer: t\r\n\r\n"
      "GET /version HTTP/1.1\r\n\r\n"));
  EXPECT_EQ(client.read_answer()->body, "hello, chunked world");
  EXPECT_EQ(client.read_answer()->body, "ok\n");

  std::string many = "POST /count HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 2000; ++i) many += fmt::format("{:x}\r\n{}\r\n", 500, std::string(500, 'z'));
  many += "0\r\n\r\n";
  ASSERT_TRUE(client.send(many));
  EXPECT_EQ(client.read_answer()->body, "1000000");
}

TEST_P(ExchangeTest, BadChunksAreRefusedAndClose) {
  start();
  auto client = connect();
  ASSERT_TRUE(
      client.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"));
  auto answer = client.read_answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 400);
  EXPECT_EQ(answer->header("connection"), "close");
  EXPECT_TRUE(client.wait_closed());
  EXPECT_EQ(handler_.last_body_error, static_cast<int>(Errc::invalid_argument));
}

TEST_P(ExchangeTest, ContinueIsSentWhenTheBodyIsWanted) {
  start();
  auto client = connect();
  ASSERT_TRUE(
      client.send("PUT /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\n"
                  "Content-Length: 5\r\n\r\n"));
  auto interim = client.read_head();
  ASSERT_TRUE(interim) << interim.error().message();
  EXPECT_EQ(interim->head, "HTTP/1.1 100 Continue\r\n\r\n");
  ASSERT_TRUE(client.send("12345"));
  EXPECT_EQ(client.read_answer()->body, "12345");
}

TEST_P(ExchangeTest, WithoutContinueTheConnectionEnds) {
  start();
  auto client = connect();
  ASSERT_TRUE(
      client.send("PUT /refuse HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                  "Content-Length: 5\r\n\r\n"));
  auto answer = client.read_answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 401);
  EXPECT_FALSE(answer->saw_continue);
  EXPECT_EQ(answer->header("connection"), "close");
  EXPECT_TRUE(client.wait_closed());
}

TEST_P(ExchangeTest, AShortUnreadBodyIsDrained) {
  start();
  auto client = connect();
  for (const char* path : {"/ignore", "/refuse", "/one-piece"}) {
    auto answer = client.request("PUT", path, {}, std::string(200'000, 'u'));
    ASSERT_TRUE(answer) << path << answer.error().message();
    EXPECT_FALSE(answer->header("connection")) << path;
    EXPECT_EQ(client.request("GET", "/version")->body, "ok\n") << path;
  }
}

TEST_P(ExchangeTest, ALongUnreadBodyClosesAndTheAnswerCanBeRead) {
  start();
  for (const char* path : {"/ignore", "/refuse"}) {
    auto client = connect();
    // All of the body is sent before the answer is read, as a client may that does not watch.
    auto answer = client.request("PUT", path, {}, std::string(4 << 20, 'u'));
    ASSERT_TRUE(answer) << path << ": " << answer.error().message();
    EXPECT_EQ(answer->header("connection"), "close");
    EXPECT_TRUE(client.wait_closed());
  }
}

TEST_P(ExchangeTest, HandlerFailuresAreAnswered) {
  start();
  auto client = connect();
  EXPECT_EQ(client.request("GET", "/throw")->status, 500);
  auto second = connect();
  EXPECT_EQ(second.request("GET", "/big-head/15000")->status, 200);
  EXPECT_EQ(second.request("GET", "/big-head/17000")->status, 500);
  auto third = connect();
  EXPECT_EQ(third.request("GET", "/status/99")->status, 500);
}

TEST_P(ExchangeTest, ASourceThatFailsCutsTheAnswerOff) {
  start();
  auto client = connect();
  auto answer = client.request("GET", "/cold-fail/1000000");
  EXPECT_FALSE(answer);
  EXPECT_TRUE(eventually([&] { return server_->metrics().connections_open == 0; }));
}

TEST_P(ExchangeTest, RequestsAreLoggedWithoutSecretsOrQueries) {
  start();
  auto client = connect();
  client.request("GET", "/version", {{"Authorization", "Tahoe-LAFS c2VjcmV0"}});
  client.request("PUT", "/echo?secret", {}, "12");
  client.request("GET", "/storage/v1/mutable/aaaaabbbbbcccccdddddeeeeea/3");
  client.send("BAD\r\n\r\n");
  client.wait_closed();
  std::lock_guard lock(log_mutex_);
  ASSERT_EQ(log_.size(), 4u);
  EXPECT_EQ(log_[0], "GET /version 200 3 complete");
  EXPECT_EQ(log_[1], "PUT /echo 200 2 complete");
  EXPECT_EQ(log_[2], "GET /storage/v1/mutable/aaaaa.../3 404 13 complete");
  EXPECT_EQ(log_[3], "-  400 0 complete");
}

TEST_P(ExchangeTest, RequestsAreLoggedOnlyWhereThatIsWanted) {
  static std::atomic<bool> wanted;
  wanted = false;
  start([](ServerOptions& options) { options.logs_requests = [] { return wanted.load(); }; });
  auto client = connect();
  client.request("GET", "/version");
  wanted = true;
  client.request("HEAD", "/version");
  std::lock_guard lock(log_mutex_);
  EXPECT_THAT(log_, testing::ElementsAre("HEAD /version 200 0 complete"));
}

TEST_P(ExchangeTest, ManyConnectionsAtOnceOnSeveralWorkers) {
  start([](ServerOptions& options) { options.workers = 2; });
  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < 3; ++round) {
        auto client = connect();
        for (int i = 0; i < 10; ++i) {
          auto size = static_cast<std::uint64_t>(1000 * t + 7919 * i);
          auto got = client.request("GET", fmt::format("/{}/{}", i % 2 ? "cold" : "stream", size));
          auto put = client.request("PUT", "/count", {}, body_text(size));
          if (got && got->body == body_text(size) && put && put->body == std::to_string(size)) {
            ++good;
          }
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, 8 * 3 * 10);
  EXPECT_EQ(server_->metrics().connections_accepted, 24u);
}

}  // namespace
}  // namespace sharestore::http
