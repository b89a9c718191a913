// The handler alone: the order of checks, the status of every error, the hot path, and how bodies
// stream. What requests mean is tested over a socket and the real store, in tests/protocol.
#include "storage_server/protocol/gbs_handler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <limits>
#include <string>

#include "backends/core/limits.h"
#include "storage_server/protocol/answers.h"
#include "storage_server/protocol/cbor.h"
#include "tests/storage_server/protocol/fake_share_store.h"
#include "tests/storage_server/protocol/requests.h"
#include "tests/support/fake_clock.h"
#include "tests/support/run_task.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_data.h"

namespace sharestore {
namespace {

using http::Method;
using http::Response;
using Headers = std::vector<std::pair<std::string, std::string>>;

const std::string kSlot = "/storage/v1/immutable/nomd2a65ylxjbqzsw7gcfh4iva";
const std::string kMutable = "/storage/v1/mutable/nomd2a65ylxjbqzsw7gcfh4iva";
const std::string kLease = "/storage/v1/lease/nomd2a65ylxjbqzsw7gcfh4iva";

std::string secret_line(std::string_view name, std::string_view secret) {
  return std::string(name) + " " + base64_encode(secret);
}

class GbsHandlerTest : public testing::Test {
 protected:
  static Headers authorized(Headers more = {}) {
    more.emplace_back("Authorization", "Tahoe-LAFS " + base64_encode("swiss"));
    return more;
  }
  static Headers with_lease(Headers more = {}) {
    more.emplace_back("X-Tahoe-Authorization",
                      secret_line("lease-renew-secret", std::string(32, 'r')));
    more.emplace_back("X-Tahoe-Authorization",
                      secret_line("lease-cancel-secret", std::string(32, 'c')));
    return authorized(std::move(more));
  }
  static Headers with_upload(Headers more = {}) {
    more.emplace_back("X-Tahoe-Authorization", secret_line("upload-secret", "u"));
    return more;
  }
  static Headers with_enabler(Headers more = {}) {
    more.emplace_back("X-Tahoe-Authorization", secret_line("write-enabler", std::string(32, 'w')));
    return with_lease(std::move(more));
  }

  std::optional<Response> attempt(Method method, const std::string& path, Headers headers) {
    const TestRequest request(method, path, std::move(headers));
    return handler_.try_handle(request.get(), clock_.context());
  }

  Response answer(Method method, const std::string& path, Headers headers,
                  const std::string& body = {}) {
    PiecewiseBody pieces(body, 1000);
    return answer_to(method, path, std::move(headers), pieces);
  }
  Response answer_to(Method method, const std::string& path, Headers headers,
                     http::RequestBody& body) {
    const TestRequest request(method, path, std::move(headers));
    return run_task(handler_.handle(request.get(), body, clock_.context()));
  }

  static std::string whole_body(const Response& response) {
    if (!response.stream) return std::string(response.body.text());
    std::string body;
    while (body.size() < response.stream->size()) {
      auto piece = run_task(response.stream->read(body.size(), 1000));
      if (!piece) return body + "!" + std::string(to_string(piece.error().code()));
      body += piece->text();
    }
    return body;
  }

  FakeClock clock_;
  TempDir directory_;
  IoPool pool_{1};
  FakeShareStore store_;
  GbsHandler handler_{store_,
                      pool_,
                      {.swissnum = Secret("swiss"),
                       .application_version = "sharestore/1",
                       .max_mutable_request_bytes = 1U << 20,
                       .spool_directory = directory_ / "spool"}};
};

std::string version_bytes(std::uint64_t available, std::uint64_t immutable,
                          std::uint64_t mutable_) {
  std::vector<std::byte> out;
  CborWriter w(out);
  w.map(2);
  w.bytes("http://allmydata.org/tahoe/protocols/storage/v1");
  w.map(3);
  w.bytes("maximum-immutable-share-size");
  w.uint(immutable);
  w.bytes("maximum-mutable-share-size");
  w.uint(mutable_);
  w.bytes("available-space");
  w.uint(available);
  w.bytes("application-version");
  w.bytes("sharestore/1");
  return std::string(as_text(out));
}

TEST_F(GbsHandlerTest, VersionIsAnsweredAtOnceAndFollowsTheSpace) {
  const auto version = [this] { return attempt(Method::get, "/storage/v1/version", authorized()); };
  auto first = version();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->status, 200);
  EXPECT_EQ(first->content_type, "application/cbor");
  EXPECT_EQ(first->body.text(), version_bytes(1, 2, 3));
  EXPECT_EQ(first->body.text().substr(0, 3), "\xa2\x58\x2f");
  // The same bytes, not rendered again.
  EXPECT_EQ(version()->body.data(), first->body.data());
  store_.report = {.available_bytes = 0, .max_immutable_bytes = 0, .max_mutable_bytes = 3};
  EXPECT_EQ(version()->body.text(), version_bytes(0, 0, 3));
  // No peer need hold more than 63 bits.
  constexpr std::uint64_t kHuge = std::numeric_limits<std::uint64_t>::max();
  store_.report = {.available_bytes = kHuge, .max_immutable_bytes = kHuge, .max_mutable_bytes = 3};
  EXPECT_EQ(version()->body.text(), version_bytes(kHuge / 2, kHuge / 2, 3));
  EXPECT_EQ(store_.calls, 0);
}

TEST_F(GbsHandlerTest, TwoHandlersDoNotShareAVersion) {
  GbsHandler other(store_, pool_,
                   {.swissnum = Secret("swiss"),
                    .application_version = "other/2",
                    .spool_directory = directory_ / "spool"});
  const TestRequest request(Method::get, "/storage/v1/version", authorized());
  const auto ours = handler_.try_handle(request.get(), clock_.context());
  const auto theirs = other.try_handle(request.get(), clock_.context());
  EXPECT_THAT(std::string(ours->body.text()), testing::HasSubstr("sharestore/1"));
  EXPECT_THAT(std::string(theirs->body.text()), testing::HasSubstr("other/2"));
}

TEST_F(GbsHandlerTest, ChecksComeInTheProtocolsOrder) {
  const Headers nothing;
  // Path and method need no authorization; then authorization, then secrets, then the endpoint.
  EXPECT_EQ(attempt(Method::get, "/nothing", nothing)->status, 404);
  const auto wrong_method = attempt(Method::get, kSlot, nothing);
  EXPECT_EQ(wrong_method->status, 405);
  EXPECT_EQ(wrong_method->extra_headers, "Allow: POST\r\n");
  const auto missing = attempt(Method::post, kSlot, with_upload());
  EXPECT_EQ(missing->status, 401);
  EXPECT_EQ(missing->content_type, "");
  EXPECT_EQ(missing->body.text(), "Wrong Authorization header");
  EXPECT_EQ(missing->extra_headers, "");
  const auto bad = attempt(Method::post, kSlot, {{"Authorization", "\xff"}});
  EXPECT_EQ(bad->status, 400);
  EXPECT_EQ(bad->body.text(), "Bad Authorization header");
  EXPECT_EQ(attempt(Method::post, kSlot, with_lease())->status, 400);
  EXPECT_EQ(attempt(Method::get, "/storage/v1/version", with_upload(authorized()))->status, 400);
  EXPECT_EQ(attempt(Method::get, kSlot + "/1/x", with_upload(authorized()))->status, 404);
  // What needs a body or may wait is left to handle(), which checks the same.
  EXPECT_FALSE(attempt(Method::post, kSlot, with_upload(with_lease())));
  EXPECT_EQ(answer(Method::get, "/nothing", nothing).status, 404);
  EXPECT_EQ(answer(Method::post, kSlot, with_upload(with_lease({{"Content-Type", "a/b"}}))).status,
            415);
  EXPECT_EQ(store_.calls, 0);
}

TEST_F(GbsHandlerTest, ErrorsOfByteReadsCarryTheirType) {
  for (const auto& [path, headers] : std::vector<std::pair<std::string, Headers>>{
           {kSlot + "/1", {}},                                              // 401
           {kSlot + "/1", {{"Authorization", "\xff"}}},                     // 400
           {kSlot + "/1", with_upload(authorized())},                       // 400
           {kSlot + "/99999999999999999999999999999999999", authorized()},  // 404
       }) {
    const auto response = attempt(Method::get, path, headers);
    ASSERT_TRUE(response);
    EXPECT_GE(response->status, 400);
    EXPECT_EQ(response->content_type, "application/octet-stream");
  }
  for (const Errc code : {Errc::not_found, Errc::unavailable, Errc::io_error, Errc::busy}) {
    store_.error = Error(code, "secret path");
    const Response response = answer(Method::get, kMutable + "/1", authorized());
    EXPECT_EQ(response.status, status_of(code));
    EXPECT_EQ(response.content_type, "application/octet-stream");
    EXPECT_EQ(response.body.text(), "");
  }
  store_.error.reset();
  store_.reader = std::make_shared<TextReader>("abc", true, 3);
  const Response bad_range = answer(Method::get, kSlot + "/1", authorized({{"Range", "junk"}}));
  EXPECT_EQ(bad_range.status, 416);
  EXPECT_EQ(bad_range.content_type, "application/octet-stream");
}

TEST_F(GbsHandlerTest, EveryErrorHasItsStatus) {
  const std::vector<std::pair<Errc, int>> table = {
      {Errc::not_found, 404},    {Errc::already_exists, 409}, {Errc::conflict, 409},
      {Errc::unauthorized, 401}, {Errc::forbidden, 403},      {Errc::invalid_argument, 400},
      {Errc::too_large, 413},    {Errc::no_space, 507},       {Errc::unavailable, 503},
      {Errc::busy, 503},         {Errc::timed_out, 503},      {Errc::cancelled, 503},
      {Errc::corrupt, 500},      {Errc::unsupported, 500},    {Errc::io_error, 500}};
  for (const auto& [code, status] : table) {
    store_.error = Error(code, "why");
    const Response response = answer(Method::put, kLease, with_lease());
    EXPECT_EQ(response.status, status) << to_string(code);
    EXPECT_EQ(response.extra_headers, status == 503 ? "Retry-After: 5\r\n" : "");
    EXPECT_EQ(response.body.empty(), status == 404 || status == 409 || status >= 500);
  }
}

TEST_F(GbsHandlerTest, EndpointsWithStatusesOfTheirOwn) {
  const Headers upload = with_upload(authorized());
  EXPECT_EQ(answer(Method::put, kLease, with_lease()).status, 204);
  EXPECT_EQ(answer(Method::put, kSlot + "/1/abort", upload).status, 200);
  store_.error = Error(Errc::already_exists, "finished");
  EXPECT_EQ(answer(Method::put, kSlot + "/1/abort", upload).status, 405);
  store_.error = Error(Errc::unauthorized, "whose");
  const Response wrong = answer(Method::post, kMutable + "/read-test-write", with_enabler(),
                                "\xa2\x72test-write-vectors\xa0\x6bread-vector\x80");
  EXPECT_EQ(wrong.status, 401);
  EXPECT_TRUE(wrong.body.empty());
}

TEST_F(GbsHandlerTest, ListsAreAnsweredAtOnceWhereTheStoreCan) {
  store_.numbers = {7};
  EXPECT_FALSE(attempt(Method::get, kSlot + "/shares", authorized()));
  EXPECT_EQ(answer(Method::get, kSlot + "/shares", authorized()).body.text(),
            "\xd9\x01\x02\x81\x07");
  store_.at_hand = true;
  const auto listed = attempt(Method::get, kSlot + "/shares", authorized());
  EXPECT_EQ(listed->body.text(), "\xd9\x01\x02\x81\x07");
  EXPECT_EQ(attempt(Method::get, kSlot + "/shares", authorized({{"Accept", "image/gif"}}))->status,
            406);
  store_.error = Error(Errc::unavailable, "not now");
  EXPECT_EQ(attempt(Method::get, kSlot + "/shares", authorized())->status, 503);
}

TEST_F(GbsHandlerTest, ReadsStream) {
  const std::string text = pattern_text(5000);
  store_.reader = std::make_shared<TextReader>(text, false, 5000);
  EXPECT_FALSE(attempt(Method::get, kSlot + "/1", authorized()));
  const Response whole = answer(Method::get, kSlot + "/1", authorized());
  EXPECT_EQ(whole.status, 200);
  EXPECT_EQ(whole.content_type, "application/octet-stream");
  EXPECT_EQ(whole.extra_headers, "");
  EXPECT_EQ(whole_body(whole), text);

  store_.at_hand = true;
  auto part = attempt(Method::get, kSlot + "/1", authorized({{"Range", "bytes=10-2009"}}));
  EXPECT_EQ(part->status, 206);
  EXPECT_EQ(part->extra_headers, "Content-Range: bytes 10-2009/*\r\n");
  EXPECT_EQ(whole_body(*part), text.substr(10, 2000));
  part =
      attempt(Method::get, kSlot + "/1",
              authorized({{"Range", "bytes=0-1"}, {"Range", "bytes=4990-18446744073709551615"}}));
  EXPECT_EQ(part->extra_headers, "Content-Range: bytes 4990-4999/*\r\n");
  EXPECT_EQ(whole_body(*part), text.substr(4990));
  part = attempt(Method::get, kSlot + "/1", authorized({{"Range", "bytes=5000-5001"}}));
  EXPECT_EQ(part->status, 204);
  EXPECT_EQ(part->extra_headers, "");
}

TEST_F(GbsHandlerTest, ABodyReadsWithoutWaitingWhereTheReaderCan) {
  const std::string text = pattern_text(100);
  store_.at_hand = true;
  store_.reader = std::make_shared<TextReader>(text, true, 100);
  const auto part = attempt(Method::get, kSlot + "/1", authorized({{"Range", "bytes=10-29"}}));
  std::vector<std::byte> into(12);
  EXPECT_EQ(part->stream->size(), 20U);
  EXPECT_EQ(part->stream->read_now(3, into), 12U);
  EXPECT_EQ(as_text(into), text.substr(13, 12));
  // Never beyond the range, whatever room there is.
  EXPECT_EQ(part->stream->read_now(10, into), 10U);
  // A share that is shorter than it says is for read() to report.
  store_.reader = std::make_shared<TextReader>(text, true, 105);
  const auto broken = attempt(Method::get, kSlot + "/1", authorized());
  EXPECT_EQ(broken->stream->read_now(95, into), std::nullopt);
  EXPECT_EQ(whole_body(*broken), text + "!corrupt");
}

TEST_F(GbsHandlerTest, EachReadOfABodyHasTimeOfItsOwn) {
  auto reader = std::make_shared<TextReader>("abc", false, 3);
  store_.reader = reader;
  const Response response = answer(Method::get, kSlot + "/1", authorized());
  clock_.advance(std::chrono::hours(2));  // a slow client
  ASSERT_TRUE(run_task(response.stream->read(0, 1)));
  EXPECT_EQ(reader->last_deadline, clock_.now() + limits::kRequestBudget);
}

TEST_F(GbsHandlerTest, PatchWritesWhatComes) {
  const Headers headers = with_upload(authorized({{"Content-Range", "bytes 10-14/*"}}));
  PiecewiseBody body({"ab", "cdefgh"});
  store_.upload->progress.required = {{0, 10}, {15, 100}};
  const Response response = answer_to(Method::patch, kSlot + "/1", headers, body);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body.text(), std::string("\xa1\x68required\x82\xa2\x65"
                                              "begin\x00\x63"
                                              "end\x0a\xa2\x65"
                                              "begin\x0f\x63"
                                              "end\x18\x64",
                                              38));
  EXPECT_THAT(store_.upload->writes,
              testing::ElementsAre(testing::Pair(10, "ab"), testing::Pair(12, "cde")));
  EXPECT_EQ(store_.upload->finished, 1);
}

TEST_F(GbsHandlerTest, PatchOfTheLastGapIs201) {
  store_.upload->progress.complete = true;
  const Headers headers = with_upload(authorized({{"Content-Range", "bytes 0-0/*"}}));
  const Response response = answer(Method::patch, kSlot + "/1", headers, "x");
  EXPECT_EQ(response.status, 201);
  EXPECT_EQ(response.body.text(), "\xa1\x68required\x80");
}

TEST_F(GbsHandlerTest, PatchRefusesBeforeItReads) {
  const auto patch = [this](const std::string& range) {
    PiecewiseBody body({"0123456789"});
    const Response response = answer_to(Method::patch, kSlot + "/1",
                                        with_upload(authorized({{"Content-Range", range}})), body);
    EXPECT_EQ(body.taken, 0U) << range;
    return response.status;
  };
  EXPECT_EQ(patch("bytes 0--9/10"), 416);
  EXPECT_EQ(patch("bytes */10"), 416);
  EXPECT_EQ(patch("bytes 91-100/*"), 416);  // the upload has 100 bytes
  EXPECT_EQ(patch("bytes 0-18446744073709551615/*"), 416);
  EXPECT_EQ(patch("bytes 18446744073709551615-18446744073709551615/*"), 416);
  EXPECT_EQ(patch("bytes 99999999999999999999-99999999999999999999/*"), 416);
  store_.error = Error(Errc::unauthorized, "another's");
  EXPECT_EQ(patch("bytes 0-9/10"), 401);
  EXPECT_EQ(patch("bytes 0--9/10"), 416);  // the range is looked at first
  store_.error = Error(Errc::not_found, "no such upload");
  EXPECT_EQ(patch("bytes 0-9/10"), 404);
  EXPECT_EQ(answer(Method::patch, kSlot + "/1", with_upload(authorized())).status, 416);
  EXPECT_EQ(store_.upload->writes.size(), 0U);
}

TEST_F(GbsHandlerTest, PatchThatBreaksOff) {
  const Headers headers = with_upload(authorized({{"Content-Range", "bytes 0-9/*"}}));
  EXPECT_EQ(answer(Method::patch, kSlot + "/1", headers, "short").status, 400);
  EXPECT_THAT(store_.upload->writes, testing::ElementsAre(testing::Pair(0, "short")));
  EXPECT_EQ(store_.upload->finished, 0);
  PiecewiseBody slow({"x"});
  slow.end = Error(Errc::timed_out, "below the rate floor");
  const Response late = answer_to(Method::patch, kSlot + "/1", headers, slow);
  EXPECT_EQ(late.status, 408);
  EXPECT_TRUE(late.close);
  PiecewiseBody gone({"x"});
  gone.end = Error(Errc::cancelled, "stopping");
  const Response stopped = answer_to(Method::patch, kSlot + "/1", headers, gone);
  EXPECT_EQ(stopped.status, 503);
  EXPECT_TRUE(stopped.close);
  store_.upload->write_error = Error(Errc::conflict, "other bytes");
  const Response conflict = answer(Method::patch, kSlot + "/1", headers, "0123456789");
  EXPECT_EQ(conflict.status, 409);
  EXPECT_TRUE(conflict.body.empty());
  store_.upload->write_error = Error(Errc::no_space, "full");
  EXPECT_EQ(answer(Method::patch, kSlot + "/1", headers, "0123456789").status, 507);
}

TEST_F(GbsHandlerTest, NothingIsReadBeforeTheStoreHasRoomForIt) {
  const Headers headers = with_upload(authorized({{"Content-Range", "bytes 3-12/*"}}));
  PiecewiseBody body({"01234", "56789"});
  EXPECT_EQ(answer_to(Method::patch, kSlot + "/1", headers, body).status, 200);
  EXPECT_THAT(store_.upload->asked,
              testing::ElementsAre(testing::Pair(3, 10), testing::Pair(8, 5)));
  // As much as there is room for, whatever the client has sent.
  store_.upload->asked.clear();
  store_.upload->room = 4;
  PiecewiseBody whole({"0123456789"});
  EXPECT_EQ(answer_to(Method::patch, kSlot + "/1", headers, whole).status, 200);
  EXPECT_THAT(store_.upload->asked, testing::ElementsAre(testing::Pair(3, 10), testing::Pair(7, 6),
                                                         testing::Pair(11, 2)));
  EXPECT_EQ(whole.largest_read, 4u);
  store_.upload->ready_error = Error(Errc::timed_out, "the store is slow");
  store_.upload->writes.clear();
  PiecewiseBody unread({"0123456789"});
  EXPECT_EQ(answer_to(Method::patch, kSlot + "/1", headers, unread).status, 503);
  EXPECT_TRUE(store_.upload->writes.empty());
  EXPECT_EQ(unread.taken, 0u);
}

TEST_F(GbsHandlerTest, OnlyOurOwnTimeCounts) {
  store_.upload->on_write = [this] { clock_.advance(std::chrono::seconds(20)); };
  PiecewiseBody body({"a", "b"});
  const Headers headers = with_upload(authorized({{"Content-Range", "bytes 0-1/*"}}));
  EXPECT_EQ(answer_to(Method::patch, kSlot + "/1", headers, body).status, 200);
  EXPECT_THAT(store_.upload->budgets,
              testing::ElementsAre(std::chrono::seconds(50), std::chrono::seconds(30),
                                   std::chrono::seconds(10)));
}

TEST_F(GbsHandlerTest, AcceptIsLookedAtAfterTheWork) {
  const std::string all =
      "\xa2\x6dshare-numbers\xd9\x01\x02\x81\x01\x6e"
      "allocated-size\x01";
  EXPECT_EQ(
      answer(Method::post, kSlot, with_upload(with_lease({{"Accept", "image/gif"}})), all).status,
      406);
  EXPECT_EQ(store_.calls, 1);
  const Headers patch =
      with_upload(authorized({{"Content-Range", "bytes 0-0/*"}, {"Accept", "image/gif"}}));
  EXPECT_EQ(answer(Method::patch, kSlot + "/1", patch, "x").status, 406);
  EXPECT_EQ(store_.upload->finished, 1);
  EXPECT_EQ(
      answer(Method::post, kMutable + "/read-test-write", with_enabler({{"Accept", "image/gif"}}),
             "\xa2\x72test-write-vectors\xa0\x6bread-vector\x80")
          .status,
      406);
  EXPECT_EQ(store_.calls, 3);
}

TEST_F(GbsHandlerTest, AReadTestWriteAnswerKeepsLongReadsApart) {
  const std::string body = "\xa2\x72test-write-vectors\xa0\x6bread-vector\x80";
  const auto ask = [&] {
    return answer(Method::post, kMutable + "/read-test-write", with_enabler(), body);
  };
  store_.outcome = {true, {{1, {Bytes::copy_of("ab"), Bytes()}}, {300, {}}}};
  const Response small = ask();
  EXPECT_EQ(small.status, 200);
  EXPECT_EQ(small.stream, nullptr);
  EXPECT_EQ(small.body.text(), std::string("\xa2\x67success\xf5\x64"
                                           "data\xa2\x01\x82\x42"
                                           "ab\x40\x19\x01\x2c\x80"));
  const std::string a = pattern_text(100'000, 1);
  const std::string b = pattern_text(16 * 1024, 2);
  store_.outcome = {false, {{1, {Bytes::copy_of(a), Bytes::copy_of("x"), Bytes::copy_of(b)}}}};
  const Response large = ask();
  ASSERT_NE(large.stream, nullptr);
  EXPECT_EQ(large.content_type, "application/cbor");
  const std::string expected = std::string(
                                   "\xa2\x67success\xf4\x64"
                                   "data\xa1\x01\x83\x5a\x00\x01\x86\xa0",
                                   23) +
                               a + "\x41x" + std::string("\x59\x40\x00", 3) + b;
  EXPECT_EQ(large.stream->size(), expected.size());
  EXPECT_EQ(whole_body(large), expected);
  std::vector<std::byte> into(expected.size() - 5);
  EXPECT_EQ(large.stream->read_now(5, into), into.size());
  EXPECT_EQ(as_text(into), std::string_view(expected).substr(5));
}

TEST_F(GbsHandlerTest, AnAnswerOfManyShortReadsIsNotOneBuffer) {
  store_.outcome = {true, {{1, std::vector<Bytes>(30, Bytes::copy_of(std::string(1000, 'x')))}}};
  const Response response = answer(Method::post, kMutable + "/read-test-write", with_enabler(),
                                   "\xa2\x72test-write-vectors\xa0\x6bread-vector\x80");
  ASSERT_NE(response.stream, nullptr);
  EXPECT_EQ(whole_body(response).size(), 30'000U + 30 * 3 + 19);
}

// Longer than all the memory there is for answers: the request waits for all of it, not for more.
TEST_F(GbsHandlerTest, ReadsOfAnySizeGetTheirMemory) {
  std::string body = "\xa2\x72test-write-vectors\xa0\x6bread-vector\x81\xa2\x66offset";
  body += std::string(1, '\0') + "\x64size\x1b" + std::string(8, '\xff');
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(answer(Method::post, kMutable + "/read-test-write", with_enabler(), body).status,
              200);
  }
  EXPECT_EQ(store_.last_request.reads.at(0).size, std::numeric_limits<std::uint64_t>::max());
}

TEST_F(GbsHandlerTest, BodiesHaveLimits) {
  const auto announce = [this](Method method, const std::string& path, Headers headers,
                               std::uint64_t size) {
    PiecewiseBody body({});
    body.announced = size;
    return answer_to(method, path, std::move(headers), body).status;
  };
  EXPECT_EQ(announce(Method::post, kSlot, with_upload(with_lease()), 8193), 413);
  EXPECT_EQ(announce(Method::post, kSlot, with_upload(with_lease()), 8192), 400);
  EXPECT_EQ(announce(Method::post, kSlot + "/1/corrupt", authorized(), 32769), 413);
  EXPECT_EQ(announce(Method::post, kSlot + "/1/corrupt", authorized(), 32768), 400);
  EXPECT_EQ(announce(Method::post, kMutable + "/read-test-write", with_enabler(), (1U << 20) + 1),
            413);
  EXPECT_EQ(announce(Method::post, kMutable + "/read-test-write", with_enabler(), 1U << 20), 400);
  EXPECT_EQ(store_.calls, 0);
}

}  // namespace
}  // namespace sharestore
