// What an operator is told about a store.
#include "backends/s3/s3_probe.h"

#include <gmock/gmock.h>

#include "tests/backends/s3/s3_test_base.h"

namespace sharestore::s3 {
namespace {

using test::FakeReply;
using test::FakeRequest;
using test::FakeS3;
using testing::Contains;
using testing::HasSubstr;

class ProbeTest : public S3Test {
 protected:
  Result<ProbeReport> trial() {
    container();  // fills the options in
    return run(probe(context(), options, pool, loop().get_executor()));
  }
  static std::string answer(const ProbeReport& report, const std::string& what) {
    for (const ProbeFinding& finding : report.findings) {
      if (finding.what == what) return finding.answer;
    }
    return "not told";
  }

  IoPool pool{1};
};

TEST_F(ProbeTest, TellsWhatAStoreCanDoAndLeavesNothing) {
  const auto report = trial();
  ASSERT_TRUE(report) << words(report);
  EXPECT_TRUE(report->usable);
  EXPECT_EQ(answer(*report, "signature"), "version 4");
  EXPECT_EQ(answer(*report, "put only if absent"), "yes");
  EXPECT_EQ(answer(*report, "put only if unchanged"), "yes");
  EXPECT_EQ(answer(*report, "list versions of the protocol"), "2");
  EXPECT_EQ(answer(*report, "objects in parts"), "yes");
  EXPECT_EQ(answer(*report, "list unfinished uploads"), "yes");
  EXPECT_THAT(answer(*report, "remove many at once (not needed)"), HasSubstr("no: "));
  EXPECT_THAT(report->settings, Contains("s3.signature = v4"));
  EXPECT_THAT(report->settings, Contains("s3.addressing = path"));
  EXPECT_THAT(report->settings, Contains("s3.prefix = node-a/"));
  EXPECT_TRUE(store().keys().empty());
  EXPECT_EQ(store().uploads(), 0u);
}

TEST_F(ProbeTest, FindsTheOtherSignatureAndTheRegion) {
  fake.region = "eu-west-1";
  store().instead = [](const FakeRequest& request) -> std::optional<FakeReply> {
    if (!request.header("authorization").starts_with("AWS4")) return std::nullopt;
    return FakeS3::error(400, "InvalidRequest");
  };
  const auto old_store = trial();
  ASSERT_TRUE(old_store) << words(old_store);
  EXPECT_THAT(old_store->settings, Contains("s3.signature = v2"));
  store().instead = nullptr;
  const auto report = trial();
  ASSERT_TRUE(report) << words(report);
  EXPECT_THAT(report->settings, Contains("s3.region = eu-west-1"));
}

TEST_F(ProbeTest, SaysWhatIsMissing) {
  fake.conditions = false;
  fake.only_list_version_1 = true;
  store().instead = [](const FakeRequest& request) -> std::optional<FakeReply> {
    if (!request.has_parameter("uploads")) return std::nullopt;
    return FakeS3::error(501, "NotImplemented");
  };
  const auto report = trial();
  ASSERT_TRUE(report) << words(report);
  EXPECT_FALSE(report->usable);
  EXPECT_THAT(answer(*report, "objects in parts"), HasSubstr("NotImplemented"));
  EXPECT_EQ(answer(*report, "list versions of the protocol"), "1 only");
  EXPECT_EQ(answer(*report, "put only if absent"), "no");
  EXPECT_TRUE(store().keys().empty());
}

TEST_F(ProbeTest, AMissingBucketOrAWrongSecretEndsIt) {
  fake.bucket_is_there = false;
  EXPECT_EQ(trial().error().code(), Errc::not_found);
  EXPECT_EQ(store().log().size(), 1u) << "no other way of asking would find it";
  store().set([](test::FakeS3Options& now) {
    now.bucket_is_there = true;
    now.secret = "another";
  });
  const auto refused = trial();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::unauthorized);
  // Once with each signature: an IP address has no names below it.
  EXPECT_EQ(store().log().size(), 3u);
}

}  // namespace
}  // namespace sharestore::s3
