// What an endpoint does around a request: over a real connection to a server in the process, with
// pauses that a test's clock skips.
#include "backends/http/endpoint.h"

#include <gtest/gtest.h>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <atomic>
#include <future>
#include <thread>
#include <vector>

#include "tests/support/fake_http_server.h"
#include "tests/support/run_task.h"
#include "tests/support/skipping_clock.h"

namespace sharestore::http_client {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using std::chrono::seconds;
using End = test::FakeReply::End;
using test::FakeHttpServer;
using test::FakeReply;
using test::FakeRequest;

// The clock's start as an HTTP date, and 20 minutes later.
constexpr std::int64_t kStart = SkippingClock::kStart;
constexpr const char* kDateNow = "Tue, 14 Nov 2023 22:13:20 GMT";
constexpr const char* kDateLater = "Tue, 14 Nov 2023 22:33:20 GMT";

class EndpointTest : public testing::Test {
 protected:
  ~EndpointTest() override {
    if (endpoint_) run_task(endpoint_->close());
    guard_.reset();
    thread_.join();
  }

  Endpoint& endpoint() {
    if (!endpoint_) {
      options.origin = "https://store.example";
      endpoint_ = std::make_unique<Endpoint>(loop_.get_executor(), pool_, options);
    }
    return *endpoint_;
  }
  // A call whose every attempt carries its number and the second it was made for.
  EndpointCall call(const FakeHttpServer& server, Effect effect = Effect::none) {
    EndpointCall call;
    call.what = "the request";
    call.effect = effect;
    auto attempts = std::make_shared<std::atomic<int>>(0);
    call.prepare = [origin = server.origin(), effect, attempts](OpContext,
                                                                WallTime now) -> Task<HttpRequest> {
      HttpRequest request;
      request.method = effect == Effect::none ? "GET" : "PUT";
      request.url = origin + "/object";
      request.headers = {{"X-Attempt", std::to_string(++*attempts)},
                         {"X-Signed-At", std::to_string(unix_seconds(now))}};
      if (effect != Effect::none) request.body = memory_source(Bytes::copy_of("payload"));
      co_return request;
    };
    return call;
  }
  Result<HttpResponse> send(EndpointCall call, Duration budget = seconds(60)) {
    return run_task(endpoint().send(clock.context(budget), std::move(call)));
  }

 private:
  IoPool pool_{1};
  asio::io_context loop_{1};
  asio::executor_work_guard<asio::io_context::executor_type> guard_{loop_.get_executor()};
  std::thread thread_{[this] { loop_.run(); }};
  std::unique_ptr<Endpoint> endpoint_;

 protected:
  EndpointOptions options;
  SkippingClock clock{loop_};
};

FakeReply reply(int status, std::string body = "", FakeRequest::Pairs headers = {}) {
  FakeReply reply;
  reply.status = status;
  reply.body = std::move(body);
  reply.headers = std::move(headers);
  return reply;
}

TEST_F(EndpointTest, MakesARequestAnewForEveryAttempt) {
  FakeHttpServer server([](const FakeRequest& request) {
    const std::string attempt = request.header("x-attempt");
    return attempt == "3" ? reply(200, attempt) : reply(500);
  });
  const auto answer = send(call(server));
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->body.text(), "3");
  EXPECT_EQ(clock.pauses().size(), 2u);
  EXPECT_EQ(endpoint().status().requests, 3u);
  EXPECT_EQ(endpoint().status().retries, 2u);
  EXPECT_TRUE(endpoint().status().answering);
}

// W38: throttling is repeated, with pauses that no two nodes share, and the store gets less.
TEST_F(EndpointTest, AnswersThrottlingWithLess) {
  options.max_requests = 8;
  options.retry.random = []() { return 0.5; };
  FakeHttpServer server([](const FakeRequest& request) {
    return request.header("x-attempt") == "1" ? reply(503) : reply(200);
  });
  ASSERT_TRUE(send(call(server)));
  EXPECT_EQ(clock.pauses(), std::vector{milliseconds(200)});
  EXPECT_EQ(endpoint().status().throttles, 1u);
  EXPECT_EQ(endpoint().status().limit, 4u);
}

TEST_F(EndpointTest, WaitsAsLongAsTheStoreAsks) {
  FakeHttpServer server([](const FakeRequest& request) {
    return request.header("x-attempt") == "1" ? reply(429, "", {{"Retry-After", "7"}}) : reply(200);
  });
  ASSERT_TRUE(send(call(server)));
  EXPECT_EQ(clock.pauses(), std::vector{milliseconds(7000)});
}

TEST_F(EndpointTest, BeginsNoPauseThatEndsAfterTheDeadline) {
  FakeHttpServer server([](const FakeRequest&) { return reply(503, "", {{"Retry-After", "20"}}); });
  const auto answer = send(call(server), seconds(50));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), Errc::busy);
  EXPECT_EQ(clock.pauses(), (std::vector{milliseconds(20'000), milliseconds(20'000)}));
  EXPECT_EQ(server.requests(), 3u);
}

TEST_F(EndpointTest, RepeatsNoMoreThanItsBudget) {
  options.retry.max_attempts = 1000;
  options.retry.longest_pause_ms = milliseconds(1);
  FakeHttpServer server([](const FakeRequest&) { return reply(500); });
  EXPECT_FALSE(send(call(server)));
  EXPECT_LE(server.requests(), static_cast<std::size_t>(RetryBudget::kReserve) + 3);
  EXPECT_GE(server.requests(), static_cast<std::size_t>(RetryBudget::kReserve));
}

TEST_F(EndpointTest, DoesNotRepeatWhatMayHaveBeenDone) {
  FakeHttpServer server([](const FakeRequest&) {
    FakeReply lost;
    lost.end = End::cut;
    lost.body = "half of this is sent";
    return lost;
  });
  const auto once = send(call(server, Effect::once));
  ASSERT_FALSE(once);
  EXPECT_EQ(once.error().code(), Errc::unavailable);
  EXPECT_FALSE(once.error().outcome_known());
  EXPECT_EQ(server.requests(), 1u);
}

// A refusal after a lost answer does not tell whether the lost one had succeeded.
TEST_F(EndpointTest, DoubtStays) {
  FakeHttpServer server([](const FakeRequest& request) {
    FakeReply lost = reply(200, "half of this is sent");
    lost.end = End::cut;
    return request.header("x-attempt") == "1" ? lost : reply(412);
  });
  const auto changed = send(call(server, Effect::repeatable));
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().code(), Errc::conflict);
  EXPECT_FALSE(changed.error().outcome_known());
  const auto read = send(call(server));
  ASSERT_FALSE(read);
  EXPECT_TRUE(read.error().outcome_known()) << "a read changes nothing";
}

TEST_F(EndpointTest, AnAnswerDecides) {
  FakeHttpServer server([](const FakeRequest&) { return reply(404); });
  const auto answer = send(call(server, Effect::repeatable));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), Errc::not_found);
  EXPECT_TRUE(answer.error().outcome_known());
  EXPECT_EQ(server.requests(), 1u);
  EXPECT_TRUE(endpoint().status().answering) << "not there is an answer";
}

TEST(JudgeStatus, HasACodeForEachStatus) {
  const auto judged = [](int status) {
    HttpResponse response;
    response.status = status;
    return judge_status(response, Effect::repeatable, "it");
  };
  const std::vector<std::pair<int, Errc>> rows{
      {301, Errc::io_error},    {400, Errc::io_error},    {401, Errc::unauthorized},
      {403, Errc::forbidden},   {404, Errc::not_found},   {409, Errc::conflict},
      {412, Errc::conflict},    {413, Errc::too_large},   {429, Errc::busy},
      {500, Errc::unavailable}, {501, Errc::unsupported}, {502, Errc::unavailable},
      {503, Errc::busy},        {504, Errc::unavailable}, {507, Errc::no_space}};
  for (const auto& [status, code] : rows) {
    EXPECT_EQ(judged(status).error->code(), code) << status;
    EXPECT_EQ(judged(status).error->outcome_known(), code != Errc::unavailable) << status;
  }
  EXPECT_FALSE(judged(204).error);
}

// W7: memory for answers is bounded too: a request is sent when there is room for its answer.
TEST_F(EndpointTest, WaitsForRoomForTheAnswer) {
  options.max_arriving_bytes = 100'000;
  std::promise<void> arrived;
  std::promise<void> may_answer;
  FakeHttpServer server([&](const FakeRequest&) {
    arrived.set_value();
    may_answer.get_future().wait();
    return reply(200, "the first");
  });
  const auto of_bytes = [&](std::size_t most, std::size_t usual) {
    EndpointCall sized = call(server);
    sized.prepare = [origin = server.origin(), most, usual](OpContext,
                                                            WallTime) -> Task<HttpRequest> {
      HttpRequest request;
      request.method = "GET";
      request.url = origin + "/object";
      request.max_response_bytes = most;
      request.usual_response_bytes = usual;
      co_return request;
    };
    return sized;
  };
  endpoint();  // made before there are two threads
  auto first = std::async(std::launch::async, [&] { return send(of_bytes(60'000, 0)); });
  arrived.get_future().wait();
  EXPECT_EQ(endpoint().status().arriving_bytes, 60'000u);
  const auto second = send(of_bytes(60'000, 0), seconds(5));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), Errc::timed_out);
  EXPECT_EQ(server.requests(), 1u);
  may_answer.set_value();
  EXPECT_TRUE(first.get());
  EXPECT_EQ(endpoint().status().arriving_bytes, 0u);
  EXPECT_EQ(endpoint().status().peak_arriving_bytes, 60'000u);
}

// One that may be longer than all the room waits for all of it, and a document for what it has as a
// rule.
TEST_F(EndpointTest, LongAnswersAreNotRefused) {
  options.max_arriving_bytes = 100'000;
  FakeHttpServer server([](const FakeRequest&) { return reply(200, std::string(300'000, 'x')); });
  EndpointCall longer = call(server);
  auto usual = std::make_shared<std::size_t>(0);
  longer.prepare = [origin = server.origin(), usual](OpContext, WallTime) -> Task<HttpRequest> {
    HttpRequest request;
    request.method = "GET";
    request.url = origin + "/object";
    request.max_response_bytes = 400'000;
    request.usual_response_bytes = *usual;
    co_return request;
  };
  *usual = 5'000;
  EXPECT_TRUE(send(longer));
  EXPECT_EQ(endpoint().status().peak_arriving_bytes, 5'000u);
  *usual = 0;
  EXPECT_TRUE(send(longer));
  EXPECT_EQ(endpoint().status().peak_arriving_bytes, 100'000u);
}

// W44: a clock that is off is noticed from any answer, and requests can be signed with the store's.
TEST_F(EndpointTest, LearnsTheStoresClock) {
  FakeHttpServer server([](const FakeRequest& request) {
    return reply(200, request.header("x-signed-at"), {{"Date", kDateLater}});
  });
  EXPECT_FALSE(endpoint().clock_offset().value());
  const auto before = send(call(server));
  ASSERT_TRUE(before);
  EXPECT_EQ(before->body.text(), std::to_string(kStart));
  EXPECT_NEAR(endpoint().clock_offset().value().value().count(), 1200, 1) << "Date has seconds";
  const auto unchanged = send(call(server));
  EXPECT_EQ(unchanged->body.text(), std::to_string(kStart)) << "not without being told";
  endpoint().clock_offset().apply();
  const auto corrected = send(call(server));
  EXPECT_NEAR(std::stoll(std::string(corrected->body.text())), kStart + 1200, 1);
}

TEST(ClockOffset, WarnsOnceUntilTheClockWasRight) {
  ClockOffset offset;
  HttpResponse later;
  later.headers = {{"Date", kDateLater}};
  HttpResponse now;
  now.headers = {{"date", kDateNow}};
  const WallTime ours{seconds(kStart)};
  const auto warning = offset.learn(later, "https://store.example", ours);
  ASSERT_TRUE(warning);
  EXPECT_NE(warning->find("ours is 1200 s behind that of https://store.example"), std::string::npos)
      << *warning;
  EXPECT_FALSE(offset.learn(later, "https://store.example", ours));
  EXPECT_FALSE(offset.learn(now, "https://store.example", ours));
  EXPECT_LE(std::chrono::abs(*offset.value()), seconds(1));
  const auto again = offset.learn(now, "https://store.example", ours + seconds(100));
  ASSERT_TRUE(again);
  EXPECT_NE(again->find("ahead of"), std::string::npos) << *again;
  HttpResponse unreadable;
  unreadable.headers = {{"Date", "yesterday"}};
  EXPECT_FALSE(offset.learn(unreadable, "", ours));
  EXPECT_LE(*offset.value(), seconds(-99)) << "what cannot be read changes nothing";
}

TEST(ClockOffset, CountsFromTheFirstByteOfTheAnswer) {
  ClockOffset offset;
  HttpResponse slow;
  slow.headers = {{"Date", kDateNow}};
  slow.first_byte_ms = milliseconds(1000);
  slow.total_ms = milliseconds(301'000);
  EXPECT_FALSE(offset.learn(slow, "", WallTime(seconds(kStart + 300))));
  EXPECT_LE(std::chrono::abs(*offset.value()), seconds(1));
}

TEST_F(EndpointTest, RepeatsAtOnceWhatWasPutRight) {
  FakeHttpServer server([](const FakeRequest& request) {
    return reply(request.header("x-attempt") == "2" ? 200 : 401);
  });
  auto corrected = call(server);
  corrected.judge = [](const HttpResponse& response) {
    Judgement judgement = judge_status(response, Effect::none, "it");
    if (judgement.error) judgement.verdict = Verdict::corrected;
    return judgement;
  };
  ASSERT_TRUE(send(corrected));
  EXPECT_TRUE(clock.pauses().empty());
  // Its attempts go on counting from 3: none is answered.
  EXPECT_FALSE(send(corrected));
  EXPECT_EQ(server.requests(), 2u + 1 + kMaxCorrections);
}

TEST_F(EndpointTest, TellsWhatTheStoreCallsTheRequest) {
  options.request_id_headers = {"x-request-id", "x-host-id"};
  FakeHttpServer server([](const FakeRequest&) {
    return reply(403, "", {{"X-Request-Id", "R17"}, {"X-Host-Id", "H4"}});
  });
  const auto answer = send(call(server));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().message(),
            "the request: the store answered 403 (x-request-id R17, x-host-id H4)");
  EXPECT_EQ(endpoint().status().last_error, answer.error().message());
  EXPECT_EQ(unix_seconds(endpoint().status().last_error_at), kStart);
}

// W28: what is wrong with the store is known, and that it is over.
TEST_F(EndpointTest, KnowsWhetherTheStoreWorks) {
  std::atomic<int> status{500};
  FakeHttpServer server([&](const FakeRequest&) { return reply(status); });
  EXPECT_FALSE(send(call(server)));
  EXPECT_FALSE(endpoint().status().answering);
  status = 404;
  EXPECT_FALSE(send(call(server)));
  EXPECT_TRUE(endpoint().status().answering);
}

TEST_F(EndpointTest, CountsBytes) {
  FakeHttpServer server([](const FakeRequest&) { return reply(200, "answer"); });
  ASSERT_TRUE(send(call(server, Effect::repeatable)));
  EXPECT_EQ(endpoint().status().bytes_out, 7u);
  EXPECT_EQ(endpoint().status().bytes_in, 6u);
}

TEST_F(EndpointTest, APrepareThatFailsEndsTheRequest) {
  FakeHttpServer server([](const FakeRequest&) { return reply(200); });
  auto unprepared = call(server);
  unprepared.prepare = [](OpContext, WallTime) -> Task<HttpRequest> {
    co_return fail(Errc::unauthorized, "no token");
  };
  const auto answer = send(std::move(unprepared));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), Errc::unauthorized);
  EXPECT_EQ(server.requests(), 0u);
}

TEST_F(EndpointTest, IsCancelledWhileItWaitsForTheStore) {
  FakeHttpServer server([](const FakeRequest&) {
    FakeReply stalled;
    stalled.end = End::stall;
    return stalled;
  });
  asio::io_context context(1);
  asio::cancellation_signal stop;
  std::optional<Result<HttpResponse>> result;
  asio::co_spawn(context, endpoint().send(clock.context(), call(server, Effect::repeatable)),
                 asio::bind_cancellation_slot(
                     stop.slot(), [&](std::exception_ptr error, Result<HttpResponse> answer) {
                       EXPECT_FALSE(error) << "cancellation is an error, not an exception";
                       result = std::move(answer);
                     }));
  while (server.requests() == 0) context.run_one_for(milliseconds(1));
  stop.emit(asio::cancellation_type::all);
  context.run();
  ASSERT_TRUE(result);
  ASSERT_FALSE(*result);
  EXPECT_EQ(result->error().code(), Errc::cancelled);
  EXPECT_FALSE(result->error().outcome_known()) << "the store had seen it";
  EXPECT_TRUE(endpoint().status().answering) << "who gives up says nothing of the store";
}

TEST_F(EndpointTest, AnswersNothingAfterItWasClosed) {
  FakeHttpServer server([](const FakeRequest&) { return reply(200); });
  ASSERT_TRUE(send(call(server)));
  run_task(endpoint().close());
  const auto answer = send(call(server));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), Errc::cancelled);
}

}  // namespace
}  // namespace sharestore::http_client
