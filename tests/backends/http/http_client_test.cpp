// The client against a server in the process that behaves, or does not.
#include "backends/http/http_client.h"

#include <gtest/gtest.h>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <optional>
#include <thread>
#include <vector>

#include "backends/core/temporary_file.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_http_server.h"
#include "tests/support/run_task.h"
#include "tests/support/temp_dir.h"

namespace sharestore::http_client {
namespace {

using Kind = HttpFailure::Kind;
using End = test::FakeReply::End;
using test::FakeHttpServer;
using test::FakeReply;
using test::FakeRequest;

FakeReply echo(const FakeRequest& request) {
  FakeReply reply;
  reply.headers = {{"X-Method", request.method}};
  reply.body = request.body.empty() ? request.target : request.body;
  return reply;
}

class Client : public testing::Test {
 protected:
  ~Client() override {
    if (client_) run_task(client_->close());
    guard_.reset();
    thread_.join();
  }

  HttpClientOptions options;

  HttpClient& client() {
    if (!client_) client_ = std::make_unique<HttpClient>(loop_.get_executor(), pool_, options);
    return *client_;
  }
  HttpOutcome send(HttpRequest request, Clock* with = nullptr,
                   std::chrono::seconds budget = std::chrono::seconds(60)) {
    Clock& clock = with == nullptr ? system_clock_ : *with;
    return run_task(client().send({clock, clock.now() + budget}, std::move(request)));
  }
  static HttpRequest get(const FakeHttpServer& server, const std::string& path) {
    HttpRequest request;
    request.method = "GET";
    request.url = server.origin() + path;
    return request;
  }
  static HttpRequest put(const FakeHttpServer& server, ByteSourcePtr body) {
    HttpRequest request;
    request.method = "PUT";
    request.url = server.origin() + "/put";
    request.body = std::move(body);
    return request;
  }

 private:
  SystemClock system_clock_;
  IoPool pool_{2};
  boost::asio::io_context loop_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_{
      loop_.get_executor()};
  std::thread thread_{[this] { loop_.run(); }};
  std::unique_ptr<HttpClient> client_;
};

TEST_F(Client, SendsAndReceivesOverOneConnection) {
  FakeHttpServer server(echo);
  for (int i = 0; i < 20; ++i) {
    const auto outcome = send(get(server, "/a?b=" + std::to_string(i)));
    ASSERT_TRUE(outcome) << outcome.error().message;
    EXPECT_EQ(outcome->status, 200);
    EXPECT_EQ(outcome->body.text(), "/a?b=" + std::to_string(i));
    EXPECT_EQ(outcome->header("x-method"), "GET");
  }
  EXPECT_EQ(server.connections(), 1u) << "connections are kept";
}

TEST_F(Client, SendsEveryMethodWithAndWithoutBody) {
  FakeHttpServer server([](const FakeRequest& request) {
    FakeReply reply;
    reply.body = request.method + " " + request.header("content-length");
    EXPECT_FALSE(request.has_header("expect"));
    EXPECT_FALSE(request.has_header("accept-encoding"));
    EXPECT_EQ(request.header("x-empty"), "");
    EXPECT_TRUE(request.has_header("x-empty"));
    return reply;
  });
  for (const char* method : {"PUT", "POST"}) {
    for (const std::size_t length : {0u, 1u, 2'000'000u}) {
      HttpRequest request = put(server, memory_source(Bytes::copy_of(std::string(length, 'x'))));
      request.method = method;
      request.headers = {{"X-Empty", ""}};
      const auto outcome = send(std::move(request));
      ASSERT_TRUE(outcome) << outcome.error().message;
      EXPECT_EQ(outcome->body.text(), std::string(method) + " " + std::to_string(length));
    }
  }
  HttpRequest head = get(server, "/");
  head.method = "HEAD";
  head.headers = {{"X-Empty", ""}};
  const auto answered = send(std::move(head));
  ASSERT_TRUE(answered) << answered.error().message;
  EXPECT_TRUE(answered->body.empty());
  HttpRequest removal = get(server, "/");
  removal.method = "DELETE";
  removal.headers = {{"X-Empty", ""}};
  EXPECT_EQ(send(std::move(removal))->body.text(), "DELETE ");
}

// Larger than what is read ahead, so that curl waits for the disk; and again on a second connection
// when the kept one has died.
TEST_F(Client, SendsABodyFromAFileAndBeginsItAgain) {
  std::atomic<int> served = 0;
  FakeHttpServer server([&served](const FakeRequest& request) {
    FakeReply reply = echo(request);
    // Closed behind the client's back after each second answer, as idle connections are.
    if (++served % 2 == 0) reply.end = End::close;
    return reply;
  });
  const TempDir directory;
  auto file = TemporaryFile::create(directory.path());
  ASSERT_TRUE(file);
  std::string content(3'000'017, '\0');
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 7 / 3);
  ASSERT_TRUE((*file)->write(0, as_byte_span(content)));
  for (int i = 0; i < 6; ++i) {
    HttpRequest request = put(server, file_source(*file, 5, content.size() - 5));
    request.max_response_bytes = content.size();
    auto outcome = send(request);
    if (!outcome) {
      // The kept connection died when much of the body was under way: the caller's to repeat.
      EXPECT_EQ(outcome.error().kind, Kind::broken) << outcome.error().message;
      EXPECT_TRUE(outcome.error().sent);
      outcome = send(request);
    }
    ASSERT_TRUE(outcome) << outcome.error().message;
    EXPECT_EQ(outcome->body.text(), content.substr(5));
  }
}

class Unreadable final : public ByteSource {
 public:
  std::uint64_t size() const override { return 1 << 20; }
  Status read(std::uint64_t offset, MutableByteSpan into) const override {
    if (offset > 300'000) return fail(Errc::io_error, "the disk is gone");
    std::ranges::fill(into, std::byte{1});
    return {};
  }
};

TEST_F(Client, ABodyThatCannotBeReadFailsTheRequest) {
  FakeHttpServer server(echo);
  const auto outcome = send(put(server, std::make_shared<Unreadable>()));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().kind, Kind::unreadable_body);
  EXPECT_TRUE(outcome.error().message.contains("the disk is gone"));
}

TEST_F(Client, CapsWhatItReads) {
  FakeHttpServer server([](const FakeRequest&) {
    FakeReply reply;
    reply.body = std::string(100'000, 'x');
    return reply;
  });
  HttpRequest request = get(server, "/");
  request.max_response_bytes = 99'999;
  EXPECT_EQ(send(request).error().kind, Kind::too_large);
  request.max_response_bytes = 100'000;
  EXPECT_TRUE(send(request));
  FakeHttpServer wordy([](const FakeRequest&) {
    FakeReply reply;
    for (int i = 0; i < 80; ++i) reply.headers.emplace_back("X-Many", std::string(1000, 'x'));
    return reply;
  });
  EXPECT_EQ(send(get(wordy, "/")).error().kind, Kind::too_large);
}

// W37: less than was promised is a failure, not a short answer.
TEST_F(Client, NoticesATruncatedBodyAndALostAnswer) {
  FakeHttpServer server([](const FakeRequest& request) {
    FakeReply reply = echo(request);
    reply.end = request.target == "/cut" ? End::cut : End::reset;
    return reply;
  });
  for (const char* path : {"/cut", "/lost"}) {
    const auto outcome = send(get(server, path));
    ASSERT_FALSE(outcome) << path;
    EXPECT_EQ(outcome.error().kind, Kind::broken) << outcome.error().message;
    EXPECT_TRUE(outcome.error().sent);
    EXPECT_FALSE(to_error(outcome.error()).outcome_known());
  }
}

TEST_F(Client, TellsWhatItCouldNotReach) {
  HttpRequest request;
  request.method = "PUT";
  request.body = memory_source(Bytes::copy_of("x"));
  request.url = "http://127.0.0.1:1/";
  const auto refused = send(request);
  EXPECT_EQ(refused.error().kind, Kind::cannot_connect);
  EXPECT_FALSE(refused.error().sent);
  EXPECT_TRUE(refused.error().message.contains("http://127.0.0.1:1")) << refused.error().message;
  request.url = "http://no-such-host.invalid/";
  EXPECT_EQ(send(request).error().kind, Kind::cannot_resolve);
  request.url = "gopher://127.0.0.1/";
  EXPECT_EQ(send(request).error().kind, Kind::other);
  request.url = "http://127.0.0.1:1/";
  request.headers = {{"X-Bad", "a\r\nInjected: b"}};
  EXPECT_EQ(send(request).error().kind, Kind::other);
}

// W30: verified, with the issuer and the place named.
TEST_F(Client, VerifiesTls) {
  FakeHttpServer server(echo, true);
  const TempDir directory;
  write_file(directory / "ca.pem", server.certificate_pem());
  HttpRequest request = get(server, "/");
  const auto untrusted = send(request);
  ASSERT_FALSE(untrusted);
  EXPECT_EQ(untrusted.error().kind, Kind::untrusted) << untrusted.error().message;
  EXPECT_TRUE(untrusted.error().message.contains("issued by \"/CN=a store for tests\""))
      << untrusted.error().message;
  EXPECT_TRUE(untrusted.error().message.contains("/etc/ssl/certs")) << untrusted.error().message;
  EXPECT_FALSE(untrusted.error().sent);
  request.ca_file = directory / "ca.pem";
  const auto trusted = send(request);
  ASSERT_TRUE(trusted) << trusted.error().message;
  FakeHttpServer other(echo, true);
  HttpRequest wrong = get(other, "/");
  wrong.ca_file = directory / "ca.pem";
  EXPECT_EQ(send(wrong).error().kind, Kind::untrusted);
  request.ca_file = directory / "missing.pem";
  const auto missing = send(request);
  EXPECT_EQ(missing.error().kind, Kind::untrusted) << missing.error().message;
  EXPECT_TRUE(missing.error().message.contains("missing.pem")) << missing.error().message;
}

TEST_F(Client, UsesTheProxyOfTheEnvironment) {
  FakeHttpServer proxy(echo);
  ::setenv("http_proxy", proxy.origin().c_str(), 1);
  HttpRequest request;
  request.method = "GET";
  request.url = "http://store.invalid/key";
  const auto outcome = send(request);
  ::unsetenv("http_proxy");
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(outcome->body.text(), "http://store.invalid/key");
}

// W8: every phase ends; the clock is moved, nothing is waited for.
TEST_F(Client, GivesUpASilentServer) {
  FakeClock clock;
  FakeHttpServer server([](const FakeRequest& request) {
    FakeReply reply = echo(request);
    reply.end = request.target == "/first" ? End::stall : End::stall_in_body;
    return reply;
  });
  for (const char* path : {"/first", "/body"}) {
    std::atomic<bool> ended = false;
    const std::size_t before = server.requests();
    std::thread mover([&]() {
      while (server.requests() == before) std::this_thread::yield();
      // A phase may take 30 s, the request 60 s. Who was woken must have looked before time goes
      // on.
      while (!ended) {
        const auto next = clock.next_wake();
        if (next && *next > clock.now()) clock.advance_to_next();
        std::this_thread::yield();
      }
    });
    // Longer than all phases together: the head may come when the clock has left the first behind.
    const auto outcome = send(get(server, path), &clock, std::chrono::minutes(10));
    ended = true;
    mover.join();
    ASSERT_FALSE(outcome);
    EXPECT_TRUE(outcome.error().kind == Kind::no_answer || outcome.error().kind == Kind::stalled)
        << outcome.error().message;
    EXPECT_TRUE(outcome.error().sent);
  }
}

TEST_F(Client, IsCancelledByItsCallerAndByClose) {
  FakeHttpServer server([](const FakeRequest& request) {
    FakeReply reply = echo(request);
    reply.end = End::stall;
    return reply;
  });
  boost::asio::io_context loop(1);
  boost::asio::cancellation_signal stop;
  SystemClock clock;
  std::optional<HttpOutcome> outcome;
  auto task = [&]() -> boost::asio::awaitable<void> {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    outcome =
        co_await client().send({clock, clock.now() + std::chrono::seconds(60)}, get(server, "/"));
  };
  boost::asio::co_spawn(loop, task,
                        boost::asio::bind_cancellation_slot(stop.slot(), boost::asio::detached));
  loop.poll();
  while (server.requests() == 0) std::this_thread::yield();
  stop.emit(boost::asio::cancellation_type::terminal);
  loop.restart();
  loop.run();
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->error().kind, Kind::cancelled);

  outcome.reset();
  loop.restart();
  boost::asio::co_spawn(loop, task, boost::asio::detached);
  loop.poll();
  while (server.requests() < 2) std::this_thread::yield();
  run_task(client().close());
  loop.restart();
  loop.run();
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->error().kind, Kind::cancelled);
  EXPECT_EQ(send(get(server, "/")).error().kind, Kind::cancelled);
}

// Many at once, over connections that the server closes at random.
TEST_F(Client, SurvivesAServerThatClosesConnections) {
  std::atomic<unsigned> served = 0;
  FakeHttpServer server([&served](const FakeRequest& request) {
    FakeReply reply = echo(request);
    if (++served * 2654435761U % 5 == 0) reply.end = End::close;
    return reply;
  });
  std::atomic<int> good = 0;
  std::vector<std::thread> callers;
  (void)client();
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&, c]() {
      for (int i = 0; i < 50; ++i) {
        const std::string path = "/" + std::to_string(c) + "." + std::to_string(i);
        const auto outcome = send(get(server, path));
        if (outcome && outcome->body.text() == path) ++good;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(good, 200);
}

}  // namespace
}  // namespace sharestore::http_client
