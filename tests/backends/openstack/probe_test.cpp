// What an operator is told about an account and its store.
#include "backends/openstack/swift_probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/backends/openstack/openstack_test_base.h"
#include "tests/support/rackspace_identity.h"

namespace sharestore::openstack {
namespace {

using Fault = test::FakeSwift::Fault;
using test::RackspaceIdentity;
using testing::Contains;
using testing::HasSubstr;

class Trial : public SwiftTest {
 protected:
  Result<ProbeReport> trial() {
    return run_task(probe(context(), config, pool_, loop_.executor()));
  }
  static std::string answer(const ProbeReport& report, const std::string& what) {
    for (const ProbeFinding& finding : report.findings) {
      if (finding.what == what) return finding.answer;
    }
    return "not told";
  }
};

TEST_F(Trial, TellsTheWayAndWhatTheStoreCanDoAndLeavesNothing) {
  config.auth = OpenStackConfig::Auth::discover;
  const auto report = trial();
  ASSERT_TRUE(report) << words(report);
  EXPECT_TRUE(report->usable);
  EXPECT_EQ(answer(*report, "identity service"), "v1 at " + store.auth_url());
  EXPECT_EQ(answer(*report, "object store"), store.storage_url());
  EXPECT_EQ(answer(*report, "get a range of it"), "yes");
  EXPECT_EQ(answer(*report, "objects in segments"), "yes");
  EXPECT_EQ(answer(*report, "remove it with its segments"), "yes");
  EXPECT_THAT(report->settings, Contains("openstack.auth = v1"));
  EXPECT_THAT(report->settings, Contains("openstack.container = shares"));
  EXPECT_THAT(report->settings, Contains("openstack.prefix = node-a/"));
  EXPECT_EQ(store.keys(), std::vector<std::string>());
}

TEST_F(Trial, OfRackspaceNamesItsIdentityService) {
  RackspaceIdentity identity(store, clock);
  config.auth = OpenStackConfig::Auth::rackspace;
  config.url = *parse_service_url(identity.v2_url());
  config.username = RackspaceIdentity::kUser;
  config.api_key = Secret(RackspaceIdentity::kKey);
  config.region = "LON";
  const auto report = trial();
  ASSERT_TRUE(report) << words(report);
  EXPECT_EQ(answer(*report, "identity service"), "rackspace at " + identity.v2_url());
  EXPECT_THAT(report->settings, Contains("openstack.region = LON"));
  EXPECT_EQ(identity.authentications(), 1u);
}

TEST_F(Trial, SaysWhatIsMissing) {
  store.offer_segments(false);
  const auto report = trial();
  ASSERT_TRUE(report) << words(report);
  EXPECT_FALSE(report->usable);
  EXPECT_THAT(answer(*report, "objects in segments"), HasSubstr("no static large objects"));
  EXPECT_TRUE(report->settings.empty());
  EXPECT_EQ(store.keys(), std::vector<std::string>());
}

TEST_F(Trial, RefusedWritesAreTold) {
  store.fail_next(1, "PUT", Fault::status, 403);
  const auto report = trial();
  ASSERT_TRUE(report) << words(report);
  EXPECT_FALSE(report->usable);
  EXPECT_THAT(answer(*report, "put an object, with its MD5"), HasSubstr("may not use"));
}

TEST_F(Trial, AMissingContainerOrAWrongKeyEndsIt) {
  store.drop_container();
  const auto missing = trial();
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), Errc::not_found);
  EXPECT_THAT(missing.error().message(), HasSubstr("admin create-container"));
  config.api_key = Secret("wrong");
  EXPECT_EQ(trial().error().code(), Errc::unauthorized);
}

}  // namespace
}  // namespace sharestore::openstack
