#include "backends/s3/address.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>

namespace sharestore::s3 {

namespace {

constexpr std::string_view kDefaultRegion = "us-east-1";
constexpr std::size_t kMaxHostLabel = 63;

bool is_ip(const std::string& host) {
  in6_addr address{};
  return ::inet_pton(AF_INET, host.c_str(), &address) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

bool fits_host(std::string_view bucket) {
  return bucket.size() <= kMaxHostLabel && std::ranges::all_of(bucket, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
         });
}

bool wants_host(const S3Config& config) {
  using Addressing = S3Config::Addressing;
  switch (config.addressing) {
    case Addressing::path: return false;
    case Addressing::virtual_host: return true;
    case Addressing::automatic: break;
  }
  const ServiceUrl& url = config.url;
  return can_be_in_host(config) && !url.port_was_given && url.host.find('.') != std::string::npos;
}

}  // namespace

bool can_be_in_host(const S3Config& config) {
  return fits_host(config.bucket) && !is_ip(config.url.host);
}

Address address_of(const S3Config& config, std::string_view region) {
  ServiceUrl url = config.url;
  if (url.host == kGlobalHost && !region.empty() && region != kDefaultRegion) {
    url.host = fmt::format("s3.{}.amazonaws.com", region);
  }
  Address address;
  address.in_host = wants_host(config);
  if (address.in_host) {
    url.host = fmt::format("{}.{}", config.bucket, url.host);
  } else {
    address.path_prefix = "/" + config.bucket;
  }
  address.origin = url.to_string();
  address.host = address.origin.substr(address.origin.find("://") + 3);
  return address;
}

}  // namespace sharestore::s3
