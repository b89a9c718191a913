// A row for each code, against expectations written down a second time.
#include "backends/s3/error_table.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <tuple>

#include "backends/s3/xml.h"
#include "tests/backends/s3/s3_test_base.h"

namespace sharestore::s3 {
namespace {

using enum Errc;
using http_client::Verdict;

const std::map<std::string, std::tuple<Errc, Verdict, bool>> kExpected = {
    {"AccessDenied", {forbidden, Verdict::final, false}},
    {"AccountProblem", {forbidden, Verdict::final, false}},
    {"AllAccessDisabled", {forbidden, Verdict::final, false}},
    {"AuthorizationHeaderMalformed", {unauthorized, Verdict::final, false}},
    {"BadDigest", {io_error, Verdict::retry, false}},
    {"BandwidthLimitExceeded", {busy, Verdict::throttle, false}},
    {"BucketAlreadyExists", {forbidden, Verdict::final, false}},
    {"BucketAlreadyOwnedByYou", {already_exists, Verdict::final, false}},
    {"ConditionalRequestConflict", {conflict, Verdict::final, false}},
    {"EntityTooLarge", {too_large, Verdict::final, false}},
    {"EntityTooSmall", {invalid_argument, Verdict::final, false}},
    {"ExpiredToken", {unauthorized, Verdict::final, false}},
    {"IllegalLocationConstraintException", {invalid_argument, Verdict::final, false}},
    {"IncompleteBody", {io_error, Verdict::retry, false}},
    {"InternalError", {unavailable, Verdict::retry, true}},
    {"InvalidAccessKeyId", {unauthorized, Verdict::final, false}},
    {"InvalidArgument", {invalid_argument, Verdict::final, false}},
    {"InvalidBucketName", {invalid_argument, Verdict::final, false}},
    {"InvalidDigest", {invalid_argument, Verdict::final, false}},
    {"InvalidLocationConstraint", {invalid_argument, Verdict::final, false}},
    {"InvalidObjectState", {unavailable, Verdict::final, false}},
    {"InvalidPart", {conflict, Verdict::final, false}},
    {"InvalidPartOrder", {invalid_argument, Verdict::final, false}},
    {"InvalidRange", {invalid_argument, Verdict::final, false}},
    {"InvalidRequest", {invalid_argument, Verdict::final, false}},
    {"InvalidSecurity", {unauthorized, Verdict::final, false}},
    {"InvalidStorageClass", {invalid_argument, Verdict::final, false}},
    {"InvalidToken", {unauthorized, Verdict::final, false}},
    {"KeyTooLongError", {invalid_argument, Verdict::final, false}},
    {"MalformedXML", {invalid_argument, Verdict::final, false}},
    {"MethodNotAllowed", {unsupported, Verdict::final, false}},
    {"MissingSecurityHeader", {unauthorized, Verdict::final, false}},
    {"NoSuchBucket", {unavailable, Verdict::final, false}},
    {"NoSuchKey", {not_found, Verdict::final, false}},
    {"NoSuchUpload", {not_found, Verdict::final, false}},
    {"NoSuchVersion", {not_found, Verdict::final, false}},
    {"NotImplemented", {unsupported, Verdict::final, false}},
    {"NotSignedUp", {forbidden, Verdict::final, false}},
    {"OperationAborted", {unavailable, Verdict::retry, false}},
    {"PermanentRedirect", {unavailable, Verdict::final, false}},
    {"PreconditionFailed", {conflict, Verdict::final, false}},
    {"QuotaExceeded", {no_space, Verdict::final, false}},
    {"Redirect", {unavailable, Verdict::final, false}},
    {"RequestExpired", {unauthorized, Verdict::final, false}},
    {"RequestLimitExceeded", {busy, Verdict::throttle, false}},
    {"RequestTimeTooSkewed", {unauthorized, Verdict::final, false}},
    {"RequestTimeout", {unavailable, Verdict::retry, false}},
    {"ServiceUnavailable", {busy, Verdict::throttle, false}},
    {"SignatureDoesNotMatch", {unauthorized, Verdict::final, false}},
    {"SlowDown", {busy, Verdict::throttle, false}},
    {"SlowDownRead", {busy, Verdict::throttle, false}},
    {"SlowDownWrite", {busy, Verdict::throttle, false}},
    {"TemporaryRedirect", {unavailable, Verdict::retry, false}},
    {"Throttling", {busy, Verdict::throttle, false}},
    {"ThrottlingException", {busy, Verdict::throttle, false}},
    {"TokenRefreshRequired", {unauthorized, Verdict::final, false}},
    {"TooManyBuckets", {forbidden, Verdict::final, false}},
    {"TooManyRequests", {busy, Verdict::throttle, false}},
    {"XAmzContentSHA256Mismatch", {io_error, Verdict::retry, false}},
};

TEST(ErrorTable, HasTheRowsExpected) {
  EXPECT_EQ(error_rows().size(), kExpected.size());
  for (const auto& [code, expected] : kExpected) {
    const ErrorRow* row = find_error_row(code);
    ASSERT_NE(row, nullptr) << code;
    EXPECT_EQ(std::tuple(row->errc, row->verdict, row->doubtful), expected) << code;
  }
  EXPECT_EQ(find_error_row("NoSuchThing"), nullptr);
  EXPECT_EQ(find_error_row(""), nullptr);
}

class ErrorAnswers : public S3Test {};

// Every code as a real answer: what the caller is told, and whether it was asked again.
TEST_F(ErrorAnswers, EachCodeReachesTheCaller) {
  options.retry.max_attempts = 2;
  for (const auto& [code, expected] : kExpected) {
    const auto& [errc, verdict, doubtful] = expected;
    const std::size_t before = store().log().size();
    answer_instead(100, test::FakeS3::error(400, code));
    const auto result = put("node-a/shares/aa/x/0", "content");
    ASSERT_FALSE(result) << code;
    EXPECT_EQ(result.error().code(), errc) << code;
    EXPECT_EQ(result.error().outcome_known(), !doubtful) << code;
    EXPECT_NE(words(result).find(code), std::string::npos) << words(result);
    EXPECT_NE(words(result).find("x-amz-request-id FAKE"), std::string::npos) << words(result);
    // A refused condition is looked into; nothing else is asked twice without reason.
    const std::size_t asked = store().log().size() - before;
    EXPECT_EQ(asked, verdict == Verdict::final ? 1u : 2u) << code;
  }
}

TEST_F(ErrorAnswers, ACodeThatNobodyKnowsIsJudgedByItsStatus) {
  options.retry.max_attempts = 2;
  answer_instead(1, test::FakeS3::error(418, "Teapot"));
  const auto refused = put("node-a/x", "content");
  EXPECT_EQ(refused.error().code(), io_error);
  EXPECT_NE(words(refused).find("418 Teapot: the fake refuses"), std::string::npos);
  answer_instead(1, test::FakeS3::error(500, "Exotic"));
  EXPECT_TRUE(put("node-a/x", "content")) << "500 is asked again";
}

// A 404 that does not come from the store itself must not make a share look absent.
TEST_F(ErrorAnswers, APageOfAFrontIsNotAnAnswerOfTheStore) {
  options.retry.max_attempts = 2;
  test::FakeReply page;
  page.body = "<html><head><title>Not here</title></head><body>nginx</body></html>";
  for (const int status : {200, 301, 404}) {
    page.status = status;
    answer_instead(10, page);
    const auto listed = run(container().list(context(), "node-a/", "", 10));
    ASSERT_FALSE(listed) << status;
    EXPECT_EQ(listed.error().code(), unavailable) << status;
    if (status == 200) continue;
    answer_instead(10, page);
    EXPECT_EQ(get("node-a/x"), "<unavailable>") << status;
    EXPECT_EQ(remove("node-a/x").error().code(), unavailable) << status;
  }
  page.status = 403;
  answer_instead(10, page);
  EXPECT_EQ(get("node-a/x"), "<forbidden>");
}

}  // namespace
}  // namespace sharestore::s3
