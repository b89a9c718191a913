// What an identity service says an account may use, and the object store picked from it.
//
// Plain values and pure functions; any thread.
#pragma once

#include <boost/json/object.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "backends/core/error.h"
#include "config/storage_config.h"

namespace sharestore::openstack {

struct ServiceEndpoint {
  OpenStackConfig::Endpoint interface = OpenStackConfig::Endpoint::public_url;
  std::string region;  // empty: the service is not bound to one
  std::string url;
};

struct CatalogueService {
  std::string type;
  std::string name;
  std::vector<ServiceEndpoint> endpoints;
};

using ServiceCatalogue = std::vector<CatalogueService>;

// Entries of a catalogue that are read; clouds have a few dozen services of a few regions.
inline constexpr std::size_t kMaxCatalogueServices = 1000;
inline constexpr std::size_t kMaxServiceEndpoints = 1000;

// `access.serviceCatalog` of v2 and Rackspace: {region, publicURL, internalURL}. What is not of
// that form is left out.
ServiceCatalogue read_v2_catalogue(const boost::json::object& access);
// `token.catalog` of v3: {region, region_id, interface, url}.
ServiceCatalogue read_v3_catalogue(const boost::json::object& token);

struct StoreChoice {
  std::string region;  // wanted by the operator; empty: the account's default, or the only one
  std::string default_region;  // as the identity service told; empty: it told none
  OpenStackConfig::Endpoint interface = OpenStackConfig::Endpoint::public_url;
};

// The storage URL, without a trailing '/'. not_found, with what there is instead: no service of
// type object-store; none in that region; several regions and none chosen; none of that interface.
Result<std::string> choose_object_store(const ServiceCatalogue& catalogue,
                                        const StoreChoice& choice);

}  // namespace sharestore::openstack
