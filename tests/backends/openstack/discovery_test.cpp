// Tokens from an identity service that is found by its version document, or that has none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include <mutex>
#include <vector>

#include "backends/openstack/token_source.h"
#include "tests/backends/openstack/openstack_test_base.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_http_server.h"

namespace sharestore::openstack {
namespace {

using Auth = OpenStackConfig::Auth;
using test::FakeReply;
using test::FakeRequest;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kVersions = R"({"versions": {"values": [
  {"id": "v3.14", "links": [{"rel": "self", "href": "http://inside.invalid/identity/v3/"}]},
  {"id": "v2.0", "links": [{"rel": "self", "href": "http://inside.invalid/identity/v2.0/"}]}]}})";
constexpr const char* kV3Token = R"({"token": {"expires_at": "2030-01-01T00:00:00Z", "catalog": [
  {"type": "object-store", "endpoints": [
    {"interface": "public", "region": "One", "url": "https://one.example/v1/AUTH_1"}]}]}})";
constexpr const char* kV2Token = R"({"access": {"token": {"id": "t2"}, "serviceCatalog": [
  {"type": "object-store", "endpoints": [
    {"region": "One", "publicURL": "https://two.example/v1/AUTH_1"}]}]}})";

class Discovery : public testing::Test {
 protected:
  Discovery() {
    config.provider = OpenStackConfig::Provider::swift;
    config.auth = Auth::discover;
    config.username = "tahoe";
    config.api_key = Secret("secret");
    config.application_credential_id = "cred-1";
    config.container = "shares";
    config.url = *parse_service_url(server_.origin());
  }
  ~Discovery() override {
    boost::asio::co_spawn(loop_.context(), source_->close(), boost::asio::use_future).get();
  }

  Result<Token> token() {
    if (!source_) source_ = std::make_unique<TokenSource>(loop_.executor(), pool_, config);
    return boost::asio::co_spawn(loop_.context(),
                                 source_->token(clock_.context(std::chrono::hours(1))),
                                 boost::asio::use_future)
        .get();
  }
  std::vector<std::string> asked() {
    const std::lock_guard hold(mutex_);
    return asked_;
  }

  OpenStackConfig config;
  bool has_versions = true;
  bool has_v1 = false;

 private:
  FakeReply handle(const FakeRequest& request) {
    const std::lock_guard hold(mutex_);
    asked_.push_back(request.method + " " + request.target);
    const auto reply = [](int status, std::string body, FakeRequest::Pairs headers = {}) {
      return FakeReply{status, std::move(headers), std::move(body), FakeReply::End::keep};
    };
    // A version document comes with 300 from Keystone.
    if (request.target == "/" && has_versions) return reply(300, kVersions);
    if (request.target == "/identity/v3/auth/tokens") {
      if (request.body.contains("wrong")) return reply(401, R"({"error": {"message": "No."}})");
      return reply(201, kV3Token, {{"X-Subject-Token", "t3"}});
    }
    if (request.target == "/identity/v2.0/tokens") return reply(200, kV2Token);
    if (request.target == "/auth/v1.0" && has_v1) {
      if (request.header("x-auth-key") != "secret") return reply(401, "");
      return reply(200, "",
                   {{"X-Auth-Token", "t1"}, {"X-Storage-Url", "https://three.example/v1/AUTH_1"}});
    }
    return reply(404, "");
  }

  std::mutex mutex_;
  std::vector<std::string> asked_;
  FakeClock clock_;
  test::FakeHttpServer server_{[this](const FakeRequest& request) { return handle(request); }};
  IoPool pool_{1};
  RequestLoop loop_;
  std::unique_ptr<TokenSource> source_;
};

TEST_F(Discovery, MissingV3IsFoundAndAskedOnce) {
  const auto held = token();
  ASSERT_TRUE(held) << words(held);
  EXPECT_EQ(held->value.reveal(), "t3");
  EXPECT_EQ(held->storage_url, "https://one.example/v1/AUTH_1");
  EXPECT_THAT(asked(), ElementsAre("GET /", "POST /identity/v3/auth/tokens"));
}

TEST_F(Discovery, EachKindFindsItsOwnVersion) {
  config.auth = Auth::v3_application_credential;
  EXPECT_EQ(token()->value.reveal(), "t3");
}

TEST_F(Discovery, V2IsFoundToo) {
  config.auth = Auth::v2;
  EXPECT_EQ(token()->value.reveal(), "t2");
}

TEST_F(Discovery, ServiceWithoutVersionsMayBeV1) {
  has_versions = false;
  has_v1 = true;
  const auto held = token();
  ASSERT_TRUE(held) << words(held);
  EXPECT_EQ(held->value.reveal(), "t1");
  EXPECT_THAT(asked(), ElementsAre("GET /", "GET /auth/v1.0", "GET /auth/v1.0"));
}

TEST_F(Discovery, NoIdentityServiceThereIsSaid) {
  has_versions = false;
  const auto none = token();
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), Errc::not_found);
  EXPECT_THAT(none.error().message(), HasSubstr("check openstack.url and openstack.auth"));
}

TEST_F(Discovery, WrongPasswordNamesUserDomainAndProject) {
  config.api_key = Secret("wrong");
  config.project = "backups";
  const auto refused = token();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::unauthorized);
  EXPECT_THAT(refused.error().message(),
              testing::AllOf(HasSubstr("tahoe"), HasSubstr("openstack.user_domain = Default"),
                             HasSubstr("backups"), testing::Not(HasSubstr("wrong"))));
}

}  // namespace
}  // namespace sharestore::openstack
