#include "backends/openstack/version_discovery.h"

#include <algorithm>
#include <array>

#include "backends/openstack/json_text.h"
#include "config/service_url.h"

namespace sharestore::openstack {

namespace json = boost::json;

namespace {

using Auth = OpenStackConfig::Auth;

constexpr std::string_view kV3Tokens = "/auth/tokens";
constexpr std::string_view kV2Tokens = "/tokens";
constexpr std::string_view kV1Usual = "/auth/v1.0";

bool is_v3(Auth auth) { return auth == Auth::v3 || auth == Auth::v3_application_credential; }
bool is_v2(Auth auth) { return auth == Auth::v2 || auth == Auth::rackspace; }

// Of a version's own URL.
IdentityAddress in_version(Auth auth, const std::string& version_url) {
  return {auth, version_url + std::string(is_v3(auth) ? kV3Tokens : kV2Tokens)};
}

std::string origin_and_path(const ServiceUrl& url, std::string path) {
  ServiceUrl other = url;
  while (path.ends_with('/')) path.pop_back();
  other.path = std::move(path);
  return other.to_string();
}

// Its path; empty when it is not a URL.
std::string self_link(const json::object& version) {
  const json::array* links = array_at(version, "links");
  if (links == nullptr) return {};
  for (const json::value& link : *links) {
    const json::object* object = link.if_object();
    if (object == nullptr || text_at(*object, "rel") != "self") continue;
    const auto url = parse_service_url(text_at(*object, "href"));
    if (url) return url->path;
  }
  return {};
}

// {"versions": {"values": [...]}}, {"versions": [...]} or {"version": {...}}.
json::array versions_of(std::string_view document) {
  const auto parsed = parse_json(document);
  const json::object* top = parsed ? parsed->if_object() : nullptr;
  if (top == nullptr) return {};
  if (const json::object* one = object_at(*top, "version")) return json::array{*one};
  if (const json::object* versions = object_at(*top, "versions")) {
    const json::array* values = array_at(*versions, "values");
    return values == nullptr ? json::array{} : *values;
  }
  const json::array* versions = array_at(*top, "versions");
  return versions == nullptr ? json::array{} : *versions;
}

}  // namespace

std::optional<IdentityAddress> address_from_url(Auth auth, const ServiceUrl& url) {
  const std::string whole = url.to_string();
  const std::string& path = url.path;
  const bool discover = auth == Auth::discover;
  if (is_v3(auth) || discover) {
    const Auth as = discover ? Auth::v3 : auth;
    if (path.ends_with("/v3/auth/tokens")) return IdentityAddress{as, whole};
    if (path.ends_with("/v3")) return in_version(as, whole);
  }
  if (is_v2(auth) || discover) {
    const Auth as = discover ? Auth::v2 : auth;
    if (path.ends_with("/v2.0/tokens")) return IdentityAddress{as, whole};
    if (path.ends_with("/v2.0")) return in_version(as, whole);
  }
  const bool names_v1 = path.ends_with("/v1.0") || path.ends_with("/v1") || path.ends_with("/auth");
  if (auth == Auth::v1 || (discover && names_v1)) {
    return path.empty() ? usual_address(Auth::v1, url) : IdentityAddress{Auth::v1, whole};
  }
  if (auth == Auth::rackspace) return usual_address(auth, url);
  return std::nullopt;
}

// The last '/' matters to some servers.
std::string versions_url(const ServiceUrl& url) { return url.to_string() + "/"; }

std::string v1_probe_url(const ServiceUrl& url) { return usual_address(Auth::v1, url).url; }

std::optional<IdentityAddress> address_from_versions(Auth auth, const ServiceUrl& url,
                                                     std::string_view document) {
  std::optional<IdentityAddress> v2;
  for (const json::value& entry : versions_of(document)) {
    const json::object* version = entry.if_object();
    if (version == nullptr) continue;
    const std::string id = text_at(*version, "id");
    std::string path = self_link(*version);
    if (id.starts_with("v3") && (is_v3(auth) || auth == Auth::discover)) {
      if (path.empty()) path = url.path + "/v3";
      return in_version(is_v3(auth) ? auth : Auth::v3, origin_and_path(url, std::move(path)));
    }
    if (id.starts_with("v2.0") && (is_v2(auth) || auth == Auth::discover)) {
      if (path.empty()) path = url.path + "/v2.0";
      v2 = in_version(Auth::v2, origin_and_path(url, std::move(path)));
    }
  }
  return v2;
}

IdentityAddress usual_address(Auth auth, const ServiceUrl& url) {
  const std::string whole = url.to_string();
  if (auth == Auth::v1) return {auth, whole + std::string(kV1Usual)};
  if (is_v2(auth)) return in_version(auth, whole + "/v2.0");
  return in_version(auth == Auth::discover ? Auth::v3 : auth, whole + "/v3");
}

}  // namespace sharestore::openstack
