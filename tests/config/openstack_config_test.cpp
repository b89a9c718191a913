#include "tests/config/node_fixture.h"

namespace sharestore {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using Auth = OpenStackConfig::Auth;
using Provider = OpenStackConfig::Provider;

constexpr const char* kBase =
    "[storage]\nbackend = cloud.openstack\nopenstack.container = shares\n";
constexpr const char* kUser = "openstack.username = me\n";

std::unique_ptr<NodeFixture> node_with(std::string_view keys) {
  auto node = std::make_unique<NodeFixture>(kBase + std::string(keys));
  node->secret("openstack_api_key", "sekrit\n");
  return node;
}

OpenStackConfig openstack(std::string_view keys) {
  const auto config = node_with(keys)->loaded();
  const auto* found = std::get_if<OpenStackConfig>(&config.storage.backend);
  EXPECT_NE(found, nullptr);
  return found == nullptr ? OpenStackConfig{} : *found;
}

std::string refused(std::string_view keys) { return node_with(keys)->refusal(); }
std::string with_user(std::string_view keys) { return kUser + std::string(keys); }

TEST(OpenStackConfig, Defaults) {
  const auto config = openstack(kUser);
  EXPECT_EQ(config.provider, Provider::rackspace_com);
  EXPECT_EQ(config.auth, Auth::rackspace);
  EXPECT_EQ(config.url.to_string(), "https://identity.api.rackspacecloud.com/v2.0/tokens");
  EXPECT_EQ(config.username, "me");
  EXPECT_EQ(config.api_key.reveal(), "sekrit");
  EXPECT_EQ(config.container, "shares");
  EXPECT_EQ(config.project, "");
  EXPECT_EQ(config.user_domain, "Default");
  EXPECT_EQ(config.project_domain, "Default");
  EXPECT_EQ(config.region, "");
  EXPECT_EQ(config.endpoint, OpenStackConfig::Endpoint::public_url);
  EXPECT_EQ(config.prefix, "");
  EXPECT_EQ(config.part_size_bytes, 8 * kMiB);
  EXPECT_EQ(config.max_requests, 64U);
  EXPECT_EQ(config.cache_size_bytes, 64 * kMiB);
  EXPECT_THAT(node_with(kUser)->loaded().notices, IsEmpty());
}

TEST(OpenStackConfig, Providers) {
  struct Case {
    const char* name;
    Provider provider;
    Auth auth;
    const char* url;
  };
  const Case cases[] = {
      {"rackspace.com", Provider::rackspace_com, Auth::rackspace,
       "https://identity.api.rackspacecloud.com/v2.0/tokens"},
      {"rackspace.co.uk", Provider::rackspace_co_uk, Auth::rackspace,
       "https://lon.identity.api.rackspacecloud.com/v2.0/tokens"},
      {"rackspace.com v1", Provider::rackspace_com_v1, Auth::v1,
       "https://identity.api.rackspacecloud.com/v1.0"},
      {"rackspace.co.uk v1", Provider::rackspace_co_uk_v1, Auth::v1,
       "https://lon.identity.api.rackspacecloud.com/v1.0"},
  };
  for (const Case& expected : cases) {
    const auto config =
        openstack(with_user(std::string("openstack.provider = ") + expected.name + "\n"));
    EXPECT_EQ(config.provider, expected.provider) << expected.name;
    EXPECT_EQ(config.auth, expected.auth) << expected.name;
    EXPECT_EQ(config.url.to_string(), expected.url);
  }
  EXPECT_EQ(refused(with_user("openstack.provider = hpcloud.com west\n")),
            "NODE/tahoe.cfg:5: section [storage]: key 'openstack.provider': 'hpcloud.com west' is "
            "not one of its values; expected rackspace.com, rackspace.co.uk, rackspace.com v1, "
            "rackspace.co.uk v1, swift");
}

TEST(OpenStackConfig, Swift) {
  const auto config = openstack(with_user(
      "openstack.provider = swift\nopenstack.url = https://keystone.example.org:5000\n"
      "openstack.project = p\nopenstack.user_domain = u\nopenstack.project_domain = d\n"
      "openstack.region = r\nopenstack.endpoint = internal\nopenstack.prefix = n1/\n"
      "openstack.part_size = 5MiB\nopenstack.max_requests = 2\nopenstack.cache_size = 1MiB\n"));
  EXPECT_EQ(config.provider, Provider::swift);
  EXPECT_EQ(config.auth, Auth::discover);
  EXPECT_EQ(config.url, (ServiceUrl{true, "keystone.example.org", 5000, "", true}));
  EXPECT_EQ(config.project, "p");
  EXPECT_EQ(config.user_domain, "u");
  EXPECT_EQ(config.project_domain, "d");
  EXPECT_EQ(config.region, "r");
  EXPECT_EQ(config.endpoint, OpenStackConfig::Endpoint::internal_url);
  EXPECT_EQ(config.prefix, "n1/");
  EXPECT_EQ(config.part_size_bytes, 5 * kMiB);
  EXPECT_EQ(config.max_requests, 2U);
  EXPECT_EQ(config.cache_size_bytes, kMiB);
  EXPECT_EQ(refused(with_user("openstack.provider = swift\n")),
            "NODE/tahoe.cfg: section [storage]: key 'openstack.url': it is missing; expected the "
            "URL of the identity service, because openstack.provider is swift");
}

TEST(OpenStackConfig, AnotherIdentityServiceForRackspace) {
  const auto config = openstack(with_user(
      "openstack.provider = rackspace.co.uk\nopenstack.url = http://127.0.0.1:8080/v2.0\n"));
  EXPECT_EQ(config.auth, Auth::rackspace);
  EXPECT_EQ(config.url.to_string(), "http://127.0.0.1:8080/v2.0");
}

TEST(OpenStackConfig, MissingKeysAndSecrets) {
  EXPECT_EQ(refused(""),
            "NODE/tahoe.cfg: section [storage]: key 'openstack.username': it is "
            "missing; expected the name of the account's user");
  NodeFixture no_container("[storage]\nbackend = cloud.openstack\nopenstack.username = me\n");
  no_container.secret("openstack_api_key", "sekrit");
  EXPECT_EQ(no_container.refusal(),
            "NODE/tahoe.cfg: section [storage]: key 'openstack.container': it is missing; expected "
            "the name of the container that keeps the shares");
  const NodeFixture no_secret(std::string(kBase) + kUser);
  EXPECT_EQ(no_secret.refusal(),
            "NODE/private/openstack_api_key: the file is missing; expected the API key, the "
            "password or the application credential's secret of the OpenStack account");
}

TEST(OpenStackConfig, ApplicationCredentials) {
  const std::string swift = "openstack.provider = swift\nopenstack.url = https://k.example.org\n";
  const auto config = openstack(swift +
                                "openstack.auth = v3applicationcredential\n"
                                "openstack.application_credential_id = 21dc\n");
  EXPECT_EQ(config.auth, Auth::v3_application_credential);
  EXPECT_EQ(config.application_credential_id, "21dc");
  EXPECT_EQ(config.username, "");
  EXPECT_EQ(refused(swift + "openstack.auth = v3applicationcredential\n"),
            "NODE/tahoe.cfg: section [storage]: key 'openstack.application_credential_id': it is "
            "missing; expected the credential's id, because openstack.auth is "
            "v3applicationcredential");
  EXPECT_EQ(refused(swift + with_user("openstack.application_credential_id = 21dc\n")),
            "NODE/tahoe.cfg:7: section [storage]: key 'openstack.application_credential_id': it is "
            "used with openstack.auth = v3applicationcredential only; expected that, or no such "
            "key");
}

TEST(OpenStackConfig, Contradictions) {
  EXPECT_EQ(refused(with_user("openstack.auth = v3\n")),
            "NODE/tahoe.cfg:5: section [storage]: key 'openstack.auth': v3 contradicts "
            "openstack.provider = rackspace.com, whose identity service speaks rackspace; expected "
            "that, or another provider, or openstack.url");
  EXPECT_THAT(refused(with_user("openstack.provider = rackspace.com v1\nopenstack.auth = v2\n")),
              HasSubstr("v2 contradicts openstack.provider = rackspace.com v1"));
  EXPECT_EQ(openstack(with_user("openstack.auth = v2\n")).auth, Auth::v2);
  EXPECT_EQ(openstack(with_user("openstack.auth = v3\nopenstack.url = https://k\n")).auth,
            Auth::v3);

  const std::string v1 =
      with_user("openstack.provider = swift\nopenstack.url = https://s\nopenstack.auth = v1\n");
  for (const char* key : {"region = r", "endpoint = public", "project = p", "user_domain = d",
                          "project_domain = d"}) {
    EXPECT_THAT(refused(v1 + "openstack." + key + "\n"),
                HasSubstr("it has no place in openstack.auth = v1, which "))
        << key;
  }
  EXPECT_EQ(refused(with_user("openstack.project = p\n")),
            "NODE/tahoe.cfg:5: section [storage]: key 'openstack.project': it has no place in "
            "openstack.auth = rackspace, which takes the project from the account; expected no "
            "such key");
}

TEST(OpenStackConfig, BadValues) {
  EXPECT_THAT(refused(with_user("openstack.container = a/b\n")),
              HasSubstr("key 'openstack.container': 'a/b' is not the name of a container"));
  EXPECT_THAT(refused(with_user("openstack.url = ftp://x\n")), HasSubstr("is not a usable URL"));
  EXPECT_THAT(refused(with_user("openstack.auth = v4\n")),
              HasSubstr("expected rackspace, v1, v2, v3, v3applicationcredential"));
  EXPECT_THAT(refused(with_user("openstack.endpoint = admin\n")),
              HasSubstr("expected public, internal"));
  EXPECT_THAT(refused(with_user("openstack.prefix = x\n")),
              HasSubstr("key 'openstack.prefix': 'x' is not a prefix"));
  EXPECT_THAT(refused(with_user("openstack.max_requests = 1025\n")),
              HasSubstr("whole number from 1 to 1024"));
  EXPECT_THAT(refused(with_user("openstack.ca_file = nope\n")),
              HasSubstr("'NODE/nope' is no file"));
}

TEST(OpenStackConfig, PlainHttpIsWarnedOf) {
  EXPECT_THAT(node_with(with_user("openstack.url = http://k.example.org/v2.0\n"))->loaded().notices,
              Contains("[storage] openstack.url is plain http to another machine (k.example.org): "
                       "the secret and the tokens travel unencrypted"));
}

TEST(OpenStackConfig, PrivacyAndTheCloud) {
  const auto node =
      node_with(with_user("[connections]\ntcp = disabled\n[node]\nreveal-IP-address = false\n"
                          "tub.location = tor:a.onion:1\n"));
  EXPECT_THAT(node->loaded().notices,
              Contains(HasSubstr("does not hide this node's address from the store of backend = "
                                 "cloud.openstack")));
}

}  // namespace
}  // namespace sharestore
