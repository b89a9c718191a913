// What stores and networks do wrong, and what an operator gets wrong.
#include <gtest/gtest.h>

#include "backends/s3/encoding.h"
#include "tests/backends/s3/s3_test_base.h"

namespace sharestore::s3 {
namespace {

using test::FakeReply;
using test::FakeRequest;
using test::FakeS3;
using test::FakeS3Options;
using End = FakeReply::End;
using std::chrono::minutes;
using std::chrono::seconds;

class Faults : public S3Test {};

TEST_F(Faults, RepliesLostAfterSuccessChangeNothing) {
  lose_answer("PUT");
  EXPECT_TRUE(put("node-a/1", "content"));
  lose_answer("GET");
  EXPECT_EQ(get("node-a/1"), "content");
  lose_answer("DELETE");
  EXPECT_TRUE(remove("node-a/1"));
  EXPECT_TRUE(store().keys().empty());
}

// W37: half a body is not a body.
TEST_F(Faults, NoticesATruncatedBody) {
  options.retry.max_attempts = 2;
  store().put_object("node-a/1", "0123456789");
  store().afterwards = [](const FakeRequest&, FakeReply& reply) { reply.end = End::cut; };
  EXPECT_EQ(get("node-a/1"), "<unavailable>");
  // Whole by its length, short by its range.
  store().afterwards = [](const FakeRequest&, FakeReply& reply) {
    reply.body.resize(reply.body.size() / 2);
  };
  EXPECT_EQ(get("node-a/1", 0, 8), "<io_error>");
}

// W15: bytes that are not those that were stored.
TEST_F(Faults, NoticesDamagedBytes) {
  store().put_object("node-a/1", "0123456789");
  store().afterwards = [](const FakeRequest& request, FakeReply& reply) {
    if (request.method == "GET") reply.body[3] = 'x';
  };
  EXPECT_EQ(get("node-a/1"), "<io_error>");
  EXPECT_EQ(get("node-a/1", 0, 100), "<io_error>") << "a range that is the whole object";
  store().afterwards = [](const FakeRequest&, FakeReply& reply) {
    reply.headers = {{"ETag", "\"" + hex(md5("other bytes")) + "\""}};
  };
  const auto made = put("node-a/2", "these bytes");
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code(), Errc::corrupt);
  EXPECT_FALSE(made.error().outcome_known());
}

TEST_F(Faults, OutlastsABurstOf503) {
  answer_instead(6, FakeS3::error(503, "SlowDown"));
  ASSERT_TRUE(put("node-a/1", "content"));
  EXPECT_EQ(clock.pauses().size(), 6u);
  EXPECT_EQ(container().client().endpoint().status().throttles, 6u);
  answer_instead(1000, FakeS3::error(503, "SlowDown"));
  const auto refused = put("node-a/1", "content");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::busy);
  EXPECT_TRUE(refused.error().outcome_known()) << "SlowDown is said before anything is done";
}

TEST_F(Faults, AStoreThatIsDownIsUnavailableAndComesBack) {
  options.retry.max_attempts = 2;
  store().put_object("node-a/1", "content");
  FakeReply reset;
  reset.end = End::reset;
  answer_instead(1000, reset);
  EXPECT_FALSE(open());
  EXPECT_EQ(get("node-a/1"), "<unavailable>");
  EXPECT_FALSE(container().status().health.ok);
  store().instead = nullptr;
  EXPECT_TRUE(open());
  EXPECT_EQ(get("node-a/1"), "content");
  EXPECT_TRUE(container().status().health.ok);
}

TEST_F(Faults, ALongerAnswerThanAskedForIsRefused) {
  store().put_object("node-a/1", std::string(200'000, 'x'));
  store().afterwards = [&](const FakeRequest& request, FakeReply& reply) {
    if (request.method != "GET") return;
    reply.status = 200;
    reply.body = std::string(200'000, 'x');
  };
  EXPECT_EQ(get("node-a/1", 0, 10), "<too_large>");
  const auto info = head("node-a/1");
  ASSERT_TRUE(info) << "asked by HEAD: " << words(info);
  EXPECT_EQ(info->size_bytes, 200'000u);
}

TEST_F(Faults, CutsOutWhatItAskedForWhenRangesAreIgnored) {
  store().put_object("node-a/1", "0123456789");
  store().instead = [](const FakeRequest&) {
    FakeReply whole;
    whole.body = "0123456789";
    whole.headers = {{"ETag", "\"" + hex(md5("0123456789")) + "\""}};
    return std::optional(whole);
  };
  EXPECT_EQ(get("node-a/1", 2, 3), "234");
  EXPECT_EQ(get("node-a/1", 20, 3), "");
}

// --- what the operator gets wrong -------------------------------------------------------------

TEST_F(Faults, AWrongSecretOrKeyIsNamed) {
  options.config.secret_access_key = Secret("not the secret");
  const auto refused = open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::unauthorized);
  EXPECT_NE(words(refused).find("SignatureDoesNotMatch"), std::string::npos) << words(refused);
  EXPECT_NE(words(refused).find("private/s3secret"), std::string::npos);
  EXPECT_EQ(words(refused).find("not the secret"), std::string::npos)
      << "W39: no secret in a message";
  store().set([](FakeS3Options& now) { now.access_key_id = "SOMEBODY"; });
  EXPECT_NE(words(open()).find("InvalidAccessKeyId"), std::string::npos);
}

// W29: and the store is asked for the region that it wants.
TEST_F(Faults, AWrongRegionIsLearntOnce) {
  fake.region = "eu-west-1";
  ASSERT_TRUE(put("node-a/1", "content"));
  EXPECT_EQ(container().client().region(), "eu-west-1");
  EXPECT_EQ(store().log().size(), 2u);
  ASSERT_TRUE(put("node-a/1", "content"));
  EXPECT_EQ(store().log().size(), 3u);
  EXPECT_TRUE(clock.pauses().empty());
}

TEST_F(Faults, ARedirectTellsTheRegionOrTheEndpoint) {
  FakeReply redirect =
      FakeS3::error(301, "PermanentRedirect", "<Endpoint>other.example.com</Endpoint>");
  redirect.headers.emplace_back("x-amz-bucket-region", "us-east-1");
  answer_instead(100, redirect);
  const auto refused = put("node-a/1", "content");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::unavailable);
  EXPECT_NE(words(refused).find("served by other.example.com: set s3.url"), std::string::npos)
      << words(refused);
  EXPECT_EQ(store().log().size(), 1u) << "the region is the one that was used";
  redirect.headers.back().second = "eu-west-1";
  answer_instead(1, redirect);
  store().set([](FakeS3Options& now) { now.region = "eu-west-1"; });
  EXPECT_TRUE(put("node-a/1", "content"));
}

TEST_F(Faults, ARegionThatIsNoRegionIsNotFollowed) {
  answer_instead(100, FakeS3::error(400, "AuthorizationHeaderMalformed",
                                    "<Region>evil.example.com/</Region>"));
  EXPECT_FALSE(put("node-a/1", "content"));
  EXPECT_EQ(container().client().region(), "us-east-1");
}

TEST_F(Faults, ACertificateThatIsNotTrustedIsSaidSo) {
  fake.tls = true;
  trusting = false;
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_NE(words(opened).find("certificate is not trusted"), std::string::npos) << words(opened);
  EXPECT_EQ(store().log().size(), 0u) << "nothing was sent";
}

// --- the clock --------------------------------------------------------------------------------

// W44: both ways, in both signatures: corrected, re-signed, repeated; no request is lost.
TEST_F(Faults, AClockThatIsOffIsCorrected) {
  for (const auto signature : {S3Config::Signature::v4, S3Config::Signature::v2}) {
    for (const minutes ahead : {minutes(20), minutes(-20), minutes(60 * 24 * 8)}) {
      options.config.signature = signature;
      store().set([ahead](FakeS3Options& now) { now.clock_ahead = ahead; });
      const std::size_t before = store().log().size();
      const auto made = put("node-a/1", "content");
      ASSERT_TRUE(made) << words(made);
      EXPECT_EQ(store().log().size() - before, 2u);
      EXPECT_TRUE(put("node-a/2", "content"));
      EXPECT_EQ(store().log().size() - before, 3u) << "corrected from then on";
      EXPECT_NEAR(static_cast<double>(container().status().clock_offset_seconds),
                  static_cast<double>(seconds(ahead).count()), 1);
      EXPECT_NE(container().status().health.sentence.find("the clock of this machine"),
                std::string::npos);
      forget_container();
    }
  }
}

TEST_F(Faults, ARefusalWithoutAWordIsUnderstoodByItsDate) {
  store().set([](FakeS3Options& now) { now.clock_ahead = minutes(20); });
  store().put_object("node-a/1", "");
  store().afterwards = [](const FakeRequest&, FakeReply& reply) {
    if (reply.status == 403) reply.body.clear();
  };
  EXPECT_TRUE(head("node-a/1"));
}

TEST_F(Faults, SaysWhoseClockIsWrongWhenCorrectionDoesNotHelp) {
  answer_instead(100, FakeS3::error(403, "RequestTimeTooSkewed"));
  const auto agreeing = put("node-a/1", "content");
  ASSERT_FALSE(agreeing);
  EXPECT_EQ(agreeing.error().code(), Errc::unauthorized);
  EXPECT_NE(words(agreeing).find("a clock of the store is wrong"), std::string::npos)
      << words(agreeing);
  EXPECT_EQ(store().log().size(), 1u);
  store().set([](FakeS3Options& now) { now.clock_ahead = minutes(20); });
  const auto disagreeing = put("node-a/1", "content");
  ASSERT_FALSE(disagreeing);
  EXPECT_NE(words(disagreeing).find("signing with the store's own time did not help"),
            std::string::npos)
      << words(disagreeing);
  EXPECT_NE(words(disagreeing).find("s behind the store's"), std::string::npos);
  EXPECT_EQ(store().log().size(), 3u);
}

TEST_F(Faults, AClockThatCameRightAgainIsFollowed) {
  store().set([](FakeS3Options& now) { now.clock_ahead = minutes(20); });
  ASSERT_TRUE(put("node-a/1", "content"));
  store().set([](FakeS3Options& now) { now.clock_ahead = seconds(0); });
  const std::size_t before = store().log().size();
  ASSERT_TRUE(put("node-a/1", "content"));
  EXPECT_EQ(store().log().size() - before, 2u);
  ASSERT_TRUE(put("node-a/1", "content"));
  EXPECT_EQ(store().log().size() - before, 3u);
}

}  // namespace
}  // namespace sharestore::s3
