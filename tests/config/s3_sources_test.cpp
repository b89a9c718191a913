// Where S3 credentials and the endpoint come from, in which order.
#include "config/aws_credentials.h"
#include "tests/config/node_fixture.h"

namespace sharestore {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using Source = S3Config::CredentialSource;

constexpr const char* kNoKey = "[storage]\nbackend = cloud.s3\ns3.bucket = bucket\n";
constexpr const char* kWithKey =
    "[storage]\nbackend = cloud.s3\ns3.bucket = bucket\ns3.access_key_id = CFGID\n";
constexpr const char* kCredentials =
    "# comment\n"
    "[default]\n"
    "aws_access_key_id = DEFAULTID\n"
    "aws_secret_access_key=defaultsecret\n"
    "[ work ]\n"
    "AWS_ACCESS_KEY_ID = WORKID\n"
    "aws_secret_access_key = work%secret=\n"
    "aws_session_token = worktoken\n";
constexpr const char* kConfigFile =
    "[profile other]\n"
    "region = eu-west-1\n"
    "aws_access_key_id = OTHERID\n"
    "aws_secret_access_key = othersecret\n"
    "s3 =\n"
    "  aws_access_key_id = NESTED\n"
    "[profile role]\n"
    "role_arn = arn:x\n";

void set_environment_keys(NodeFixture& node) {
  node.environment["AWS_ACCESS_KEY_ID"] = "ENVID";
  node.environment["AWS_SECRET_ACCESS_KEY"] = "envsecret";
}

void set_profile_files(NodeFixture& node) {
  node.write("aws/credentials", kCredentials);
  node.write("aws/config", kConfigFile);
  node.environment["AWS_SHARED_CREDENTIALS_FILE"] = node.file("aws/credentials");
  node.environment["AWS_CONFIG_FILE"] = node.file("aws/config");
}

S3Config s3_of(const NodeFixture& node) {
  const auto config = node.loaded();
  const auto* s3 = std::get_if<S3Config>(&config.storage.backend);
  EXPECT_NE(s3, nullptr);
  return s3 == nullptr ? S3Config{} : *s3;
}

TEST(S3Sources, Environment) {
  NodeFixture node(kNoKey);
  set_environment_keys(node);
  node.environment["AWS_SESSION_TOKEN"] = "envtoken";
  const auto s3 = s3_of(node);
  EXPECT_EQ(s3.access_key_id, "ENVID");
  EXPECT_EQ(s3.secret_access_key.reveal(), "envsecret");
  EXPECT_EQ(s3.session_token.reveal(), "envtoken");
  EXPECT_EQ(s3.credential_source, Source::environment);
  EXPECT_THAT(node.loaded().notices, IsEmpty());
}

TEST(S3Sources, HalfAnEnvironmentIsAnError) {
  NodeFixture id(kNoKey);
  id.environment["AWS_ACCESS_KEY_ID"] = "ENVID";
  EXPECT_EQ(id.refusal(),
            "environment: AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not; "
            "expected both or neither");
  NodeFixture secret(kNoKey);
  secret.environment["AWS_SECRET_ACCESS_KEY"] = "envsecret";
  EXPECT_THAT(secret.refusal(), HasSubstr("AWS_SECRET_ACCESS_KEY is set and AWS_ACCESS_KEY_ID is "
                                          "not"));
  EXPECT_THAT(secret.refusal(), Not(HasSubstr("envsecret")));
}

TEST(S3Sources, Profiles) {
  NodeFixture node(kNoKey);
  set_profile_files(node);
  EXPECT_EQ(s3_of(node).access_key_id, "DEFAULTID");
  EXPECT_EQ(s3_of(node).secret_access_key.reveal(), "defaultsecret");
  EXPECT_TRUE(s3_of(node).session_token.empty());
  EXPECT_EQ(s3_of(node).credential_source, Source::profile);
  node.environment["AWS_PROFILE"] = "work";
  EXPECT_EQ(s3_of(node).access_key_id, "WORKID");
  EXPECT_EQ(s3_of(node).secret_access_key.reveal(), "work%secret=");
  EXPECT_EQ(s3_of(node).session_token.reveal(), "worktoken");
  node.environment["AWS_PROFILE"] = "other";
  EXPECT_EQ(s3_of(node).access_key_id, "OTHERID");
  EXPECT_EQ(s3_of(node).secret_access_key.reveal(), "othersecret");
}

TEST(S3Sources, ProfilesInTheHomeDirectory) {
  NodeFixture node(kNoKey);
  node.write(".aws/credentials", kCredentials);
  node.environment["HOME"] = node.path().string();
  EXPECT_EQ(s3_of(node).access_key_id, "DEFAULTID");
}

TEST(S3Sources, ProfilesThatDoNotHelp) {
  NodeFixture node(kNoKey);
  set_profile_files(node);
  node.environment["AWS_PROFILE"] = "typo";
  EXPECT_EQ(node.refusal(),
            "environment: the AWS profile 'typo' was not found in 'NODE/aws/credentials' and "
            "'NODE/aws/config'; expected aws_access_key_id and aws_secret_access_key (roles and "
            "single sign-on are not supported)");
  node.environment["AWS_PROFILE"] = "role";
  EXPECT_THAT(node.refusal(), HasSubstr("the AWS profile 'role' holds no key pair"));
  // "profile" belongs into the headers of the config file only.
  node.environment["AWS_PROFILE"] = "profile other";
  EXPECT_THAT(node.refusal(), HasSubstr("was not found"));
}

TEST(S3Sources, TahoeCfgWinsAndSaysSo) {
  NodeFixture node(kWithKey);
  node.secret("s3secret", "cfgsecret");
  set_environment_keys(node);
  node.environment["AWS_SESSION_TOKEN"] = "envtoken";
  set_profile_files(node);
  const auto s3 = s3_of(node);
  EXPECT_EQ(s3.access_key_id, "CFGID");
  EXPECT_EQ(s3.secret_access_key.reveal(), "cfgsecret");
  EXPECT_TRUE(s3.session_token.empty());
  EXPECT_THAT(node.loaded().notices,
              ElementsAre("S3 credentials come from tahoe.cfg and private/s3secret; those of "
                          "AWS_ACCESS_KEY_ID are not used",
                          "S3 credentials come from tahoe.cfg and private/s3secret; those of the "
                          "AWS profile are not used"));
}

TEST(S3Sources, EnvironmentWinsOverProfileAndSaysSo) {
  NodeFixture node(kNoKey);
  set_environment_keys(node);
  set_profile_files(node);
  EXPECT_EQ(s3_of(node).access_key_id, "ENVID");
  EXPECT_THAT(
      node.loaded().notices,
      ElementsAre("S3 credentials come from AWS_ACCESS_KEY_ID; those of the AWS profile are "
                  "not used"));
}

TEST(S3Sources, ASecretWithoutItsIdIsNotUsed) {
  NodeFixture node(kNoKey);
  node.secret("s3secret", "cfgsecret");
  EXPECT_THAT(node.refusal(), HasSubstr("key 's3.access_key_id': it is missing"));
  set_environment_keys(node);
  EXPECT_EQ(s3_of(node).secret_access_key.reveal(), "envsecret");
  EXPECT_THAT(node.loaded().notices,
              Contains(HasSubstr("those of private/s3secret (tahoe.cfg has no s3.access_key_id) "
                                 "are not used")));
}

TEST(S3Sources, SessionTokenAndDevPayShareAHeader) {
  NodeFixture node(kNoKey);
  set_environment_keys(node);
  node.secret("s3usertoken", "user");
  EXPECT_EQ(node.refusal(), "(accepted)");
  node.environment["AWS_SESSION_TOKEN"] = "envtoken";
  EXPECT_THAT(node.refusal(), HasSubstr("expected one of them, for both use the same header"));
}

TEST(S3Sources, EndpointFromTheEnvironment) {
  NodeFixture node(kWithKey);
  node.secret("s3secret", "cfgsecret");
  node.environment["AWS_S3_ENDPOINT_URL"] = "https://env.example.org";
  EXPECT_EQ(s3_of(node).url.to_string(), "https://env.example.org");
  EXPECT_THAT(node.loaded().notices, IsEmpty());
  node.environment["AWS_S3_ENDPOINT_URL"] = "nonsense";
  EXPECT_THAT(node.refusal(), HasSubstr("environment: AWS_S3_ENDPOINT_URL: 'nonsense' is not a "
                                        "usable URL"));
  node.write("tahoe.cfg", std::string(kWithKey) + "s3.url = https://cfg.example.org\n");
  EXPECT_EQ(s3_of(node).url.to_string(), "https://cfg.example.org");
  EXPECT_THAT(node.loaded().notices,
              ElementsAre("[storage] s3.url is used; AWS_S3_ENDPOINT_URL in the environment is "
                          "not"));
}

TEST(S3Sources, TheProcessEnvironmentIsReadOnce) {
  ASSERT_EQ(::setenv("SHARESTORE_TEST_VARIABLE", "a=b", 1), 0);
  const auto environment = current_environment();
  ::unsetenv("SHARESTORE_TEST_VARIABLE");
  ASSERT_TRUE(environment.contains("SHARESTORE_TEST_VARIABLE"));
  EXPECT_EQ(environment.at("SHARESTORE_TEST_VARIABLE"), "a=b");
}

}  // namespace
}  // namespace sharestore
