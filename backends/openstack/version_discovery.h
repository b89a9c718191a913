// Which versions an identity service speaks, when the URL given does not say: openstack.url may
// name the service itself (https://keystone.example.org:5000), one of its versions (…/v3) or the
// very place of the token request (…/v3/auth/tokens).
//
// Pure functions over values; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "backends/openstack/identity_protocol.h"

namespace sharestore::openstack {

// The address as far as the configuration alone tells it; nothing: the service must be asked.
std::optional<IdentityAddress> address_from_url(OpenStackConfig::Auth auth, const ServiceUrl& url);

// Where the service tells its versions, and what to ask if it tells none (v1 services do not).
std::string versions_url(const ServiceUrl& url);
std::string v1_probe_url(const ServiceUrl& url);

// The address that a version document offers for `auth`; `discover` takes v3, else v2. The host is
// always that of `url`: documents often name one that only insiders reach, and a secret goes
// nowhere else. Nothing: not such a document, or the version is not among those it names.
std::optional<IdentityAddress> address_from_versions(OpenStackConfig::Auth auth,
                                                     const ServiceUrl& url,
                                                     std::string_view document);

// The address to try when the service tells no versions.
IdentityAddress usual_address(OpenStackConfig::Auth auth, const ServiceUrl& url);

}  // namespace sharestore::openstack
