#include "backends/openstack/service_catalogue.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "backends/openstack/json_text.h"
#include "config/service_url.h"

namespace sharestore::openstack {

namespace json = boost::json;

namespace {

using Interface = OpenStackConfig::Endpoint;

constexpr std::string_view kStoreType = "object-store";

std::string_view interface_name(Interface interface) {
  return interface == Interface::public_url ? "public" : "internal";
}

std::string joined(const std::set<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

std::string regions_of(const std::vector<ServiceEndpoint>& endpoints) {
  std::set<std::string> regions;
  for (const ServiceEndpoint& endpoint : endpoints) {
    regions.insert(endpoint.region.empty() ? "(none)" : endpoint.region);
  }
  return joined(regions);
}

template <class AddEndpoints>
ServiceCatalogue read_services(const json::array* services, AddEndpoints add) {
  ServiceCatalogue catalogue;
  if (services == nullptr) return catalogue;
  for (const json::value& entry : *services) {
    if (!entry.is_object() || catalogue.size() == kMaxCatalogueServices) continue;
    const json::object& object = entry.get_object();
    CatalogueService service{text_at(object, "type"), text_at(object, "name"), {}};
    if (const json::array* endpoints = array_at(object, "endpoints")) {
      for (const json::value& endpoint : *endpoints) {
        if (!endpoint.is_object() || service.endpoints.size() >= kMaxServiceEndpoints) continue;
        add(service.endpoints, endpoint.get_object());
      }
    }
    catalogue.push_back(std::move(service));
  }
  return catalogue;
}

std::string no_store(const ServiceCatalogue& catalogue) {
  if (catalogue.empty()) {
    return "the account's service catalogue is empty: it belongs to no project, or "
           "openstack.project "
           "is missing";
  }
  std::set<std::string> types;
  for (const CatalogueService& service : catalogue) types.insert(service.type);
  return fmt::format("the account has no object store: its catalogue has the services {}",
                     joined(types));
}

Result<std::string> wanted_region(const std::vector<ServiceEndpoint>& endpoints,
                                  const StoreChoice& choice) {
  const auto has = [&](const std::string& region) {
    return std::ranges::any_of(endpoints,
                               [&](const ServiceEndpoint& e) { return e.region == region; });
  };
  if (!choice.region.empty()) {
    if (has(choice.region)) return choice.region;
    return fail(
        Errc::not_found,
        fmt::format("openstack.region = {}: the account's object store is in the regions {}",
                    choice.region, regions_of(endpoints)));
  }
  if (!choice.default_region.empty() && has(choice.default_region)) return choice.default_region;
  const auto elsewhere = [&](const ServiceEndpoint& e) {
    return e.region != endpoints.front().region;
  };
  if (std::ranges::any_of(endpoints, elsewhere)) {
    return fail(Errc::not_found,
                fmt::format("the account's object store is in the regions {} and none of them is "
                            "its default: choose one with openstack.region",
                            regions_of(endpoints)));
  }
  return endpoints.front().region;
}

}  // namespace

ServiceCatalogue read_v2_catalogue(const json::object& access) {
  const auto add = [](std::vector<ServiceEndpoint>& into, const json::object& endpoint) {
    constexpr std::array<std::pair<std::string_view, Interface>, 2> kUrls{
        {{"publicURL", Interface::public_url}, {"internalURL", Interface::internal_url}}};
    for (const auto& [key, interface] : kUrls) {
      std::string url = text_at(endpoint, key);
      if (!url.empty()) into.push_back({interface, text_at(endpoint, "region"), std::move(url)});
    }
  };
  return read_services(array_at(access, "serviceCatalog"), add);
}

ServiceCatalogue read_v3_catalogue(const json::object& token) {
  const auto add = [](std::vector<ServiceEndpoint>& into, const json::object& endpoint) {
    const std::string interface = text_at(endpoint, "interface");
    if (interface != "public" && interface != "internal") return;
    std::string region = text_at(endpoint, "region");
    if (region.empty()) region = text_at(endpoint, "region_id");
    into.push_back({interface == "public" ? Interface::public_url : Interface::internal_url,
                    std::move(region), text_at(endpoint, "url")});
  };
  return read_services(array_at(token, "catalog"), add);
}

Result<std::string> choose_object_store(const ServiceCatalogue& catalogue,
                                        const StoreChoice& choice) {
  std::vector<ServiceEndpoint> endpoints;
  for (const CatalogueService& service : catalogue) {
    if (service.type != kStoreType) continue;
    endpoints.insert(endpoints.end(), service.endpoints.begin(), service.endpoints.end());
  }
  if (endpoints.empty()) return fail(Errc::not_found, no_store(catalogue));
  const auto region = wanted_region(endpoints, choice);
  if (!region) return fail(region.error());
  for (const ServiceEndpoint& endpoint : endpoints) {
    if (endpoint.region != *region || endpoint.interface != choice.interface) continue;
    const auto url = parse_service_url(endpoint.url);
    if (!url) {
      return fail(url.error().with_context("the object store's URL in the service catalogue"));
    }
    return url->to_string();
  }
  return fail(Errc::not_found,
              fmt::format("the object store in the region {} has no {} endpoint: try "
                          "openstack.endpoint = {}",
                          region->empty() ? "(none)" : *region, interface_name(choice.interface),
                          interface_name(choice.interface == Interface::public_url
                                             ? Interface::internal_url
                                             : Interface::public_url)));
}

}  // namespace sharestore::openstack
