#include "tests/config/node_fixture.h"

namespace sharestore {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// A node with everything that the S3 backend needs; `more` adds keys.
NodeFixture* node_with(std::string_view more) {
  auto* node = new NodeFixture(
      "[storage]\nbackend = cloud.s3\ns3.access_key_id = AKID\n"
      "s3.bucket = bucket\n" +
      std::string(more));
  node->secret("s3secret", "sekrit\n");
  return node;
}

class S3ConfigTest : public testing::Test {
 protected:
  NodeFixture& node(std::string_view more = "") {
    node_.reset(node_with(more));
    return *node_;
  }
  S3Config s3(std::string_view more = "") { return config_of(node(more)); }
  std::string refused(std::string_view more) { return node(more).refusal(); }

  static S3Config config_of(const NodeFixture& node) {
    const auto config = node.loaded();
    const auto* s3 = std::get_if<S3Config>(&config.storage.backend);
    EXPECT_NE(s3, nullptr);
    return s3 == nullptr ? S3Config{} : *s3;
  }

 private:
  std::unique_ptr<NodeFixture> node_;
};

// W30: https where nothing else is said.
TEST_F(S3ConfigTest, Defaults) {
  const auto config = s3();
  EXPECT_EQ(config.access_key_id, "AKID");
  EXPECT_EQ(config.secret_access_key.reveal(), "sekrit");
  EXPECT_TRUE(config.session_token.empty());
  EXPECT_TRUE(config.devpay_user_token.empty());
  EXPECT_TRUE(config.devpay_product_token.empty());
  EXPECT_EQ(config.credential_source, S3Config::CredentialSource::tahoe_cfg);
  EXPECT_EQ(config.bucket, "bucket");
  EXPECT_EQ(config.url.to_string(), "https://s3.amazonaws.com");
  EXPECT_EQ(config.region, "us-east-1");
  EXPECT_FALSE(config.region_was_given);
  EXPECT_EQ(config.prefix, "");
  EXPECT_EQ(config.signature, S3Config::Signature::v4);
  EXPECT_EQ(config.addressing, S3Config::Addressing::automatic);
  EXPECT_EQ(config.payload, S3Config::Payload::signed_hash);
  EXPECT_EQ(config.part_size_bytes, 8 * kMiB);
  EXPECT_EQ(config.storage_class, "");
  EXPECT_EQ(config.server_side_encryption, "");
  EXPECT_EQ(config.ca_file, "");
  EXPECT_EQ(config.max_requests, 64U);
  EXPECT_EQ(config.cache_size_bytes, 64 * kMiB);
  EXPECT_THAT(node().loaded().notices, IsEmpty());
}

TEST_F(S3ConfigTest, EveryKey) {
  auto& fixture = node(
      "s3.url = http://127.0.0.1:9000\ns3.region = here\ns3.prefix = grid/n1/\n"
      "s3.signature = v2\ns3.addressing = path\ns3.payload = signed\ns3.part_size = 16MiB\n"
      "s3.storage_class = STANDARD_IA\ns3.server_side_encryption = aws:kms\ns3.ca_file = ca.pem\n"
      "s3.max_requests = 8\ns3.cache_size = 0\n");
  fixture.write("ca.pem", "");
  const auto config = config_of(fixture);
  EXPECT_EQ(config.url, (ServiceUrl{false, "127.0.0.1", 9000, "", true}));
  EXPECT_EQ(config.region, "here");
  EXPECT_TRUE(config.region_was_given);
  EXPECT_EQ(config.prefix, "grid/n1/");
  EXPECT_EQ(config.signature, S3Config::Signature::v2);
  EXPECT_EQ(config.addressing, S3Config::Addressing::path);
  EXPECT_EQ(config.part_size_bytes, 16 * kMiB);
  EXPECT_EQ(config.storage_class, "STANDARD_IA");
  EXPECT_EQ(config.server_side_encryption, "aws:kms");
  EXPECT_EQ(config.ca_file, fixture.path() / "ca.pem");
  EXPECT_EQ(config.max_requests, 8U);
  EXPECT_EQ(config.cache_size_bytes, 0U);
}

TEST_F(S3ConfigTest, TheOldNameWorks) {
  NodeFixture old("[storage]\nbackend = s3\ns3.access_key_id = AKID\ns3.bucket = bucket\n");
  old.secret("s3secret", "sekrit");
  EXPECT_STREQ(backend_name(old.loaded().storage.backend), "cloud.s3");
}

TEST_F(S3ConfigTest, MissingKeysAndSecrets) {
  EXPECT_EQ(refusal_of("[storage]\nbackend = cloud.s3\n"),
            "NODE/tahoe.cfg: section [storage]: key 's3.bucket': it is missing; expected the name "
            "of the bucket that keeps the shares");
  EXPECT_EQ(refusal_of("[storage]\nbackend = cloud.s3\ns3.bucket = bucket\n"),
            "NODE/tahoe.cfg: section [storage]: key 's3.access_key_id': it is missing; expected "
            "the access key id here and its secret in private/s3secret, or both in "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or in an AWS profile");
  EXPECT_EQ(refusal_of("[storage]\nbackend = cloud.s3\ns3.bucket = bucket\ns3.access_key_id = A\n"),
            "NODE/private/s3secret: the file is missing; expected the secret key that belongs to "
            "s3.access_key_id");
  auto& empty = node();
  empty.secret("s3secret", "\n");
  EXPECT_EQ(empty.refusal(), "NODE/private/s3secret: the file is empty; expected a secret");
}

TEST_F(S3ConfigTest, BadValues) {
  EXPECT_THAT(refused("s3.bucket = a/b\n"),
              HasSubstr("NODE/tahoe.cfg:5: section [storage]: key 's3.bucket': 'a/b' is not the "
                        "name of a bucket"));
  EXPECT_THAT(refused("s3.bucket = ab\n"), HasSubstr("not the name of a bucket"));
  EXPECT_THAT(refused("s3.access_key_id = A B\n"), HasSubstr("not an access key id"));
  EXPECT_THAT(refused("s3.url = store\n"), HasSubstr("key 's3.url': 'store' is not a usable URL"));
  EXPECT_THAT(refused("s3.url = https://a/b\n"), HasSubstr("'https://a/b' has a path"));
  EXPECT_THAT(refused("s3.region = a/b\n"), HasSubstr("'a/b' is not a region"));
  EXPECT_THAT(refused("s3.signature = v3\n"),
              HasSubstr("key 's3.signature': 'v3' is not one of its values; expected v4, v2"));
  EXPECT_THAT(refused("s3.addressing = host\n"), HasSubstr("expected auto, path, virtual"));
  EXPECT_THAT(refused("s3.payload = none\n"), HasSubstr("expected signed, unsigned"));
  EXPECT_THAT(refused("s3.part_size = 1MiB\n"), HasSubstr("expected from 5242880 to 5368709120"));
  EXPECT_THAT(refused("s3.part_size = 6GiB\n"), HasSubstr("expected from 5242880 to 5368709120"));
  EXPECT_THAT(refused("s3.storage_class = cold\n"), HasSubstr("not a storage class"));
  EXPECT_THAT(refused("s3.storage_class = GLACIER\n"), HasSubstr("takes hours to read"));
  EXPECT_THAT(refused("s3.server_side_encryption = aes\n"), HasSubstr("expected AES256, aws:kms"));
  EXPECT_THAT(refused("s3.ca_file = missing.pem\n"),
              HasSubstr("key 's3.ca_file': 'NODE/missing.pem' is no file that this user can read"));
  EXPECT_THAT(refused("s3.max_requests = 0\n"), HasSubstr("whole number from 1 to 1024"));
  EXPECT_THAT(refused("s3.cache_size = big\n"), HasSubstr("is not a size"));
}

TEST_F(S3ConfigTest, Prefixes) {
  for (const char* prefix : {"n/", "a/b/", "a-b_c.d/"}) {
    EXPECT_EQ(s3(std::string("s3.prefix = ") + prefix + "\n").prefix, prefix);
  }
  for (const char* prefix : {"n", "/", "/n/", "a//b/", "../", "a/./", "a/../b/"}) {
    EXPECT_THAT(refused(std::string("s3.prefix = ") + prefix + "\n"),
                HasSubstr("is not a prefix; expected at most 256 bytes that end in '/'"))
        << prefix;
  }
  EXPECT_THAT(refused("s3.prefix = " + std::string(256, 'x') + "/\n"), HasSubstr("not a prefix"));
}

TEST_F(S3ConfigTest, RegionsAreToldByTheUrl) {
  const std::pair<const char*, const char*> cases[] = {
      {"https://s3.amazonaws.com", "us-east-1"},
      {"https://s3.eu-west-1.amazonaws.com", "eu-west-1"},
      {"https://s3-eu-west-1.amazonaws.com", "eu-west-1"},
      {"https://s3-external-1.amazonaws.com", "us-east-1"},
      {"https://s3.dualstack.ap-south-1.amazonaws.com", "ap-south-1"},
      {"https://s3.cn-north-1.amazonaws.com.cn", "cn-north-1"},
      {"https://s3.us-west-002.backblazeb2.com", "us-west-002"},
      {"https://s3.fr-par.scw.cloud", "fr-par"},
      {"https://s3.example.org", "us-east-1"},
      {"https://s3.my.example.org", "us-east-1"},
      {"https://192.0.2.1:9000", "us-east-1"},
      {"https://localhost:9000", "us-east-1"},
  };
  for (const auto& [url, region] : cases) {
    const auto config = s3(std::string("s3.url = ") + url + "\n");
    EXPECT_EQ(config.region, region) << url;
    EXPECT_FALSE(config.region_was_given) << url;
  }
  EXPECT_EQ(s3("s3.url = https://s3.eu-west-1.amazonaws.com\ns3.region = x\n").region, "x");
}

TEST_F(S3ConfigTest, W30PlainHttpIsWarnedOf) {
  EXPECT_THAT(node("s3.url = http://store.example.org\n").loaded().notices,
              Contains("[storage] s3.url is plain http to another machine (store.example.org): "
                       "shares and signed requests travel unencrypted"));
  EXPECT_THAT(node("s3.url = http://localhost:9000\n").loaded().notices, IsEmpty());
}

TEST_F(S3ConfigTest, Contradictions) {
  EXPECT_THAT(refused("s3.url = https://192.0.2.1\ns3.addressing = virtual\n"),
              HasSubstr("key 's3.addressing': virtual needs a host name"));
  EXPECT_THAT(refused("s3.url = http://store.example.org\ns3.payload = unsigned\n"),
              HasSubstr("unsigned over plain http"));
  EXPECT_EQ(s3("s3.payload = unsigned\n").payload, S3Config::Payload::unsigned_payload);
  EXPECT_THAT(node("s3.payload = unsigned\ns3.signature = v2\n").loaded().notices,
              Contains(HasSubstr("no effect with s3.signature = v2")));
}

TEST_F(S3ConfigTest, TheCacheStaysWithinHalfOfTheMemory) {
  EXPECT_EQ(s3("memory_limit = 64MiB\n").cache_size_bytes, 32 * kMiB);
  EXPECT_THAT(node("memory_limit = 64MiB\n").loaded().notices, IsEmpty());
  auto& fixture = node("memory_limit = 64MiB\ns3.cache_size = 60MiB\n");
  EXPECT_EQ(config_of(fixture).cache_size_bytes, 32 * kMiB);
  EXPECT_THAT(fixture.loaded().notices,
              Contains("[storage] s3.cache_size = 60MiB is more than half of memory_limit: the "
                       "cache gets 33554432 bytes"));
}

TEST_F(S3ConfigTest, DevPayTokens) {
  auto& both = node();
  both.secret("s3usertoken", "user\n");
  both.secret("s3producttoken", "product\n");
  EXPECT_EQ(config_of(both).devpay_user_token.reveal(), "user");
  EXPECT_EQ(config_of(both).devpay_product_token.reveal(), "product");
  auto& user = node();
  user.secret("s3usertoken", "user\n");
  EXPECT_TRUE(config_of(user).devpay_product_token.empty());
  auto& product = node();
  product.secret("s3producttoken", "product\n");
  EXPECT_EQ(product.refusal(),
            "NODE/private: s3producttoken is there and s3usertoken is not; "
            "expected both, or the user token alone, or neither");
  auto& empty = node();
  empty.secret("s3usertoken", "");
  EXPECT_THAT(empty.refusal(), HasSubstr("s3usertoken: the file is empty"));
}

TEST_F(S3ConfigTest, SecretsNeverReachMessages) {
  for (const char* more : {"s3.signature = x\n", "s3.url = x\n", "s3.cache_size = x\n"}) {
    EXPECT_THAT(refused(more), Not(HasSubstr("sekrit")));
  }
}

}  // namespace
}  // namespace sharestore
