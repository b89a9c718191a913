// Parses and checks the URLs of cloud services (`s3.url`, `openstack.url`).
#pragma once

#include <string_view>

#include "backends/core/error.h"
#include "config/storage_config.h"

namespace sharestore {

// http or https, a host, optionally a port and a path. `invalid_argument` for anything else; a
// user or password in the URL is refused, and not repeated in the sentence.
Result<ServiceUrl> parse_service_url(std::string_view text);

}  // namespace sharestore
