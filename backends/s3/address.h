// Where a bucket is: which host is asked, and how the bucket is named to it.
//
// Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "config/storage_config.h"

namespace sharestore::s3 {

// Amazon's endpoint for every region; requests for a bucket elsewhere are redirected.
inline constexpr std::string_view kGlobalHost = "s3.amazonaws.com";

struct Address {
  std::string origin;       // "https://host[:port]"
  std::string host;         // as Host says it
  std::string path_prefix;  // before "/key": "/bucket", or empty with the bucket in the host
  bool in_host = false;
};

// `automatic`: the bucket is named in the path where a host name cannot hold it (dots, which no
// certificate covers, capitals, underscores) or the host has no names below it (an IP address, a
// single label, a port of its own). With `region`, the global endpoint becomes the region's.
Address address_of(const S3Config& config, std::string_view region);

// Whether the bucket's name can stand in the host at all, where a port of its own is no obstacle.
bool can_be_in_host(const S3Config& config);

}  // namespace sharestore::s3
