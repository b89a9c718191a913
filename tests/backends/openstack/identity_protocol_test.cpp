// What is asked of each identity version and what its answers mean; which version a URL speaks.
#include "backends/openstack/identity_protocol.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/openstack/iso_time.h"
#include "backends/openstack/service_catalogue.h"
#include "backends/openstack/version_discovery.h"
#include "config/service_url.h"

namespace sharestore::openstack {
namespace {

using Auth = OpenStackConfig::Auth;
using http_client::HttpResponse;
using testing::AllOf;
using testing::HasSubstr;

const WallTime kNow{std::chrono::seconds(1'795'216'052)};  // 2026-11-20T23:07:32Z

OpenStackConfig account(Auth auth) {
  OpenStackConfig config;
  config.auth = auth;
  config.username = "tahoe";
  config.api_key = Secret("pass\"word");
  config.container = "shares";
  return config;
}

HttpResponse answer(int status, std::string body, http_client::HeaderList headers = {}) {
  HttpResponse response;
  response.status = status;
  response.headers = std::move(headers);
  response.body = Bytes::copy_of(body);
  return response;
}

std::string body_of(Auth auth, OpenStackConfig config) {
  const auto request = make_token_request({auth, "https://id.example/x"}, config);
  EXPECT_EQ(request.method, "POST");
  return std::string(request.body->in_memory()->text());
}

TEST(TokenRequest, HasTheFormOfItsVersion) {
  OpenStackConfig config = account(Auth::v3);
  config.project = "backups";
  EXPECT_EQ(body_of(Auth::v3, config),
            R"({"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"tahoe",)"
            R"("domain":{"name":"Default"},"password":"pass\"word"}}},"scope":{"project":)"
            R"({"name":"backups","domain":{"name":"Default"}}}}})");
  EXPECT_EQ(body_of(Auth::v2, config),
            R"({"auth":{"passwordCredentials":{"username":"tahoe","password":"pass\"word"},)"
            R"("tenantName":"backups"}})");
  EXPECT_EQ(body_of(Auth::rackspace, config),
            R"({"auth":{"RAX-KSKEY:apiKeyCredentials":{"username":"tahoe",)"
            R"("apiKey":"pass\"word"}}})");
  config.application_credential_id = "cred-1";
  EXPECT_EQ(body_of(Auth::v3_application_credential, config),
            R"({"auth":{"identity":{"methods":["application_credential"],)"
            R"("application_credential":{"id":"cred-1","secret":"pass\"word"}}}})");
  const auto v1 = make_token_request({Auth::v1, "https://id.example/auth/v1.0"}, config);
  EXPECT_EQ(v1.method, "GET");
  EXPECT_EQ(v1.body, nullptr);
  EXPECT_EQ(v1.headers,
            (http_client::HeaderList{{"X-Auth-User", "tahoe"}, {"X-Auth-Key", "pass\"word"}}));
}

// W31: Keystone's version 3, with the region and the kind of address that the operator chose.
TEST(TokenAnswer, OfV3IsReadWithRegionAndInterface) {
  const std::string body = R"({"token": {"expires_at": "2026-11-21T00:07:32.000000Z", "catalog": [
    {"type": "identity", "name": "keystone", "endpoints": []},
    {"type": "object-store", "name": "swift", "endpoints": [
      {"interface": "admin", "region": "One", "url": "https://admin.example"},
      {"interface": "public", "region": "One", "url": "https://one.example/v1/AUTH_1/"},
      {"interface": "internal", "region_id": "Two", "url": "http://10.0.0.2:8080/v1/AUTH_1"}]}]}})";
  const auto response = answer(201, body, {{"X-Subject-Token", "gAAAA"}});
  const IdentityAddress address{Auth::v3, "https://id.example/v3/auth/tokens"};
  OpenStackConfig config = account(Auth::v3);
  config.region = "One";
  const auto read = read_token_answer(address, config, response, kNow);
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->token.reveal(), "gAAAA");
  EXPECT_EQ(read->storage_url, "https://one.example/v1/AUTH_1");
  EXPECT_EQ(read->life_ms, std::chrono::hours(1));
  config.region = "Two";
  const auto wrong = read_token_answer(address, config, response, kNow);
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message(), HasSubstr("try openstack.endpoint = internal"));
  config.endpoint = OpenStackConfig::Endpoint::internal_url;
  EXPECT_EQ(read_token_answer(address, config, response, kNow)->storage_url,
            "http://10.0.0.2:8080/v1/AUTH_1");
}

TEST(TokenAnswer, WithoutCatalogueAsksForAProject) {
  const auto read =
      read_token_answer({Auth::v3, "https://id.example/v3/auth/tokens"}, account(Auth::v3),
                        answer(201, R"({"token": {}})", {{"X-Subject-Token", "t"}}), kNow);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), Errc::not_found);
  EXPECT_THAT(read.error().message(), HasSubstr("openstack.project"));
}

TEST(TokenAnswer, OfV1IsInHeaders) {
  const IdentityAddress address{Auth::v1, "https://store.example/auth/v1.0"};
  const auto read = read_token_answer(address, account(Auth::v1),
                                      answer(200, "",
                                             {{"X-Auth-Token", "AUTH_tk1"},
                                              {"X-Storage-Url", "http://store.example/v1/AUTH_x"},
                                              {"X-Auth-Token-Expires", "59"}}),
                                      kNow);
  ASSERT_TRUE(read) << read.error().message();
  // The front speaks TLS, the store behind it does not know.
  EXPECT_EQ(read->storage_url, "https://store.example/v1/AUTH_x");
  EXPECT_EQ(read->life_ms, std::chrono::seconds(60));
  const auto page = read_token_answer(address, account(Auth::v1), answer(200, "<html>"), kNow);
  ASSERT_FALSE(page);
  EXPECT_THAT(page.error().message(), HasSubstr("no v1 identity service"));
}

TEST(TokenAnswer, RefusalsSayWhatToLookAt) {
  const auto refused = [](Auth auth, int status, const std::string& body) {
    OpenStackConfig config = account(auth);
    config.project = "backups";
    config.user_domain = "Users";
    config.application_credential_id = "cred-1";
    return read_token_answer({auth, "https://id.example/v3/auth/tokens"}, config,
                             answer(status, body), kNow)
        .error();
  };
  const Error v3 = refused(Auth::v3, 401, R"({"error": {"message": "Authorize first."}})");
  EXPECT_EQ(v3.code(), Errc::unauthorized);
  EXPECT_THAT(v3.message(), AllOf(HasSubstr("tahoe"), HasSubstr("Users"), HasSubstr("backups"),
                                  HasSubstr("Authorize first."),
                                  testing::Not(HasSubstr("pass"
                                                         "\""))));
  EXPECT_THAT(refused(Auth::v3_application_credential, 401, "").message(), HasSubstr("cred-1"));
  const Error unknown =
      refused(Auth::v3_application_credential, 404,
              R"({"error": {"message": "Could not find Application Credential: cred-1."}})");
  EXPECT_EQ(unknown.code(), Errc::unauthorized);
  EXPECT_THAT(unknown.message(), HasSubstr("cred-1 is unknown or expired"));
  EXPECT_EQ(refused(Auth::v2, 403, "").code(), Errc::unauthorized);
  EXPECT_EQ(refused(Auth::v2, 404, "").code(), Errc::not_found);
  EXPECT_EQ(refused(Auth::v2, 413, "").code(), Errc::busy);
  EXPECT_EQ(refused(Auth::v2, 429, "").code(), Errc::busy);
  EXPECT_EQ(refused(Auth::v2, 500, "").code(), Errc::unavailable);
  EXPECT_EQ(refused(Auth::v2, 200, "{").code(), Errc::unavailable);
  EXPECT_EQ(refused(Auth::v2, 200, "[]").code(), Errc::unavailable);
}

TEST(IsoTime, IsReadInTheFormsThatServicesWrite) {
  for (const char* text :
       {"2026-11-20T23:07:32.000000Z", "2026-11-20T23:07:32Z", "2026-11-20T23:07:32",
        "2026-11-20T18:07:32.000-05:00", "2026-11-21T00:07:32+01:00"}) {
    EXPECT_EQ(parse_iso_time(text), kNow) << text;
  }
  EXPECT_EQ(parse_iso_time("2026-11-20T23:07:32.25Z"), kNow + std::chrono::milliseconds(250));
  for (const char* text :
       {"", "soon", "1456-11-21T00:07:32Z", "9999-01-01T00:00:00Z", "2026-13-20T23:07:32Z",
        "2026-02-30T00:00:00Z", "2026-11-20T25:07:32Z", "2026-11-20T23:07:32 CET"}) {
    EXPECT_FALSE(parse_iso_time(text)) << text;
  }
}

// --- versions -----------------------------------------------------------------------------------

ServiceUrl url(const std::string& text) { return *parse_service_url(text); }

std::string address(Auth auth, const std::string& text) {
  const auto found = address_from_url(auth, url(text));
  return found ? std::string(auth_name(found->auth)) + " " + found->url : "ask";
}

TEST(Versions, AreTakenFromTheUrlWhereItSays) {
  EXPECT_EQ(address(Auth::discover, "https://k:5000/v3"), "v3 https://k:5000/v3/auth/tokens");
  EXPECT_EQ(address(Auth::v3, "https://k:5000/v3/auth/tokens"), "v3 https://k:5000/v3/auth/tokens");
  EXPECT_EQ(address(Auth::discover, "https://k/identity/v2.0"),
            "v2 https://k/identity/v2.0/tokens");
  EXPECT_EQ(address(Auth::discover, "https://s:8080/auth/v1.0"), "v1 https://s:8080/auth/v1.0");
  EXPECT_EQ(address(Auth::discover, "https://rgw:7480/auth"), "v1 https://rgw:7480/auth");
  EXPECT_EQ(address(Auth::v1, "https://s:8080"), "v1 https://s:8080/auth/v1.0");
  EXPECT_EQ(address(Auth::rackspace, "https://identity.api.rackspacecloud.com/v2.0/tokens"),
            "rackspace https://identity.api.rackspacecloud.com/v2.0/tokens");
  EXPECT_EQ(address(Auth::rackspace, "http://127.0.0.1:1"),
            "rackspace http://127.0.0.1:1/v2.0/tokens");
  EXPECT_EQ(address(Auth::discover, "https://k:5000"), "ask");
  EXPECT_EQ(address(Auth::v3_application_credential, "https://k:5000"), "ask");
}

TEST(Versions, AreTakenFromTheDocumentButNeverAnotherHost) {
  const std::string document = R"({"versions": {"values": [
    {"id": "v2.0", "links": [{"rel": "self", "href": "http://inside:5000/identity/v2.0/"}]},
    {"id": "v3.14", "links": [{"rel": "self", "href": "http://inside:5000/identity/v3/"}]}]}})";
  const auto read = [&](Auth auth, const std::string& text) {
    const auto found = address_from_versions(auth, url("https://outside.example"), text);
    return found ? std::string(auth_name(found->auth)) + " " + found->url : "none";
  };
  EXPECT_EQ(read(Auth::discover, document), "v3 https://outside.example/identity/v3/auth/tokens");
  EXPECT_EQ(read(Auth::v2, document), "v2 https://outside.example/identity/v2.0/tokens");
  EXPECT_EQ(read(Auth::v3_application_credential, document),
            "v3applicationcredential https://outside.example/identity/v3/auth/tokens");
  EXPECT_EQ(read(Auth::v3, R"({"version": {"id": "v3.14"}})"),
            "v3 https://outside.example/v3/auth/tokens");
  EXPECT_EQ(read(Auth::v3, R"({"versions": [{"id": "v2.0"}]})"), "none");
  EXPECT_EQ(read(Auth::v3, "<html>"), "none");
}

}  // namespace
}  // namespace sharestore::openstack
