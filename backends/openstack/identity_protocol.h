// How an identity service is asked for a token, and what it answers: Rackspace's API keys, v1
// (headers), v2 and v3 (JSON).
//
// Pure functions over values; any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "backends/core/clock.h"
#include "backends/core/error.h"
#include "backends/core/secret.h"
#include "backends/http/http_message.h"
#include "config/storage_config.h"

namespace sharestore::openstack {

// OpenStackConfig::Auth without `discover`, and where it is to be asked.
struct IdentityAddress {
  OpenStackConfig::Auth auth = OpenStackConfig::Auth::v3;
  std::string url;  // of the token request itself
};

// "v3", as openstack.auth spells it.
std::string_view auth_name(OpenStackConfig::Auth auth);

// The request for a token. Its body or headers hold the secret.
http_client::HttpRequest make_token_request(const IdentityAddress& address,
                                            const OpenStackConfig& config);

struct TokenAnswer {
  Secret token;
  // From the moment of the answer; nothing: the service told none.
  std::optional<std::chrono::milliseconds> life_ms;
  std::string storage_url;  // without a trailing '/'
};

// What an answer to make_token_request() gives. `their_now`: the service's clock. unauthorized:
// the account is refused, and what to look at. not_found: no identity service of that
// version there, or no object store as configured. busy: over the limit of requests. unavailable:
// anything that may pass.
Result<TokenAnswer> read_token_answer(const IdentityAddress& address, const OpenStackConfig& config,
                                      const http_client::HttpResponse& response,
                                      WallTime their_now);

}  // namespace sharestore::openstack
