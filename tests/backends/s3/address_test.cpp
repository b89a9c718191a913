// Which host is asked, and where the bucket's name goes.
#include "backends/s3/address.h"

#include <gtest/gtest.h>

#include "config/service_url.h"

namespace sharestore::s3 {
namespace {

Address address(const std::string& url, const std::string& bucket,
                S3Config::Addressing addressing = S3Config::Addressing::automatic,
                const std::string& region = "us-east-1") {
  S3Config config;
  config.url = *parse_service_url(url);
  config.bucket = bucket;
  config.addressing = addressing;
  return address_of(config, region);
}

TEST(Address, PutsTheBucketWhereItFits) {
  EXPECT_EQ(address("https://s3.example.com", "shares").origin, "https://shares.s3.example.com");
  EXPECT_EQ(address("https://s3.example.com", "shares").path_prefix, "");
  for (const auto& [url, bucket] : std::vector<std::pair<std::string, std::string>>{
           {"https://192.0.2.7", "shares"},
           {"https://[2001:db8::1]", "shares"},
           {"https://s3.example.com:8443", "shares"},
           {"http://localhost", "shares"},
           {"https://s3.example.com", "my.shares"},
           {"https://s3.example.com", "Shares"},
           {"https://s3.example.com", "my_shares"},
           {"https://s3.example.com", std::string(64, 'a')}}) {
    EXPECT_EQ(address(url, bucket).path_prefix, "/" + bucket) << url;
    EXPECT_EQ(address(url, bucket).origin, url) << bucket;
  }
}

TEST(Address, DoesAsItIsTold) {
  using Addressing = S3Config::Addressing;
  EXPECT_EQ(address("https://s3.example.com", "shares", Addressing::path).origin,
            "https://s3.example.com");
  EXPECT_EQ(address("http://localhost:9000", "shares", Addressing::virtual_host).host,
            "shares.localhost:9000");
}

TEST(Address, NamesThePortInHostOnlyWhereItIsNotTheScheme) {
  EXPECT_EQ(address("https://s3.example.com:443", "shares").host, "s3.example.com");
  EXPECT_EQ(address("https://s3.example.com:8443", "shares").host, "s3.example.com:8443");
}

TEST(Address, GoesToTheRegionOfAGlobalEndpoint) {
  using Addressing = S3Config::Addressing;
  EXPECT_EQ(
      address("https://s3.amazonaws.com", "shares", Addressing::automatic, "eu-west-1").origin,
      "https://shares.s3.eu-west-1.amazonaws.com");
  EXPECT_EQ(
      address("https://s3.amazonaws.com", "my.shares", Addressing::automatic, "eu-west-1").host,
      "s3.eu-west-1.amazonaws.com");
  EXPECT_EQ(address("https://s3.example.com", "shares", Addressing::path, "eu-west-1").host,
            "s3.example.com");
}

}  // namespace
}  // namespace sharestore::s3
