#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "config/service_url.h"
#include "config/storage_loader.h"
#include "config/text.h"

namespace sharestore {

namespace {

using Provider = OpenStackConfig::Provider;
using Auth = OpenStackConfig::Auth;
using Endpoint = OpenStackConfig::Endpoint;

constexpr std::size_t kMaxContainerBytes = 256;  // Swift

// What a provider's name stands for.
struct ProviderFacts {
  Provider provider;
  std::string_view name;
  std::string_view url;  // empty: tahoe.cfg has to say
  Auth auth;
};

constexpr std::array kProviders = {
    ProviderFacts{Provider::rackspace_com, "rackspace.com",
                  "https://identity.api.rackspacecloud.com/v2.0/tokens", Auth::rackspace},
    ProviderFacts{Provider::rackspace_co_uk, "rackspace.co.uk",
                  "https://lon.identity.api.rackspacecloud.com/v2.0/tokens", Auth::rackspace},
    ProviderFacts{Provider::rackspace_com_v1, "rackspace.com v1",
                  "https://identity.api.rackspacecloud.com/v1.0", Auth::v1},
    ProviderFacts{Provider::rackspace_co_uk_v1, "rackspace.co.uk v1",
                  "https://lon.identity.api.rackspacecloud.com/v1.0", Auth::v1},
    ProviderFacts{Provider::swift, "swift", "", Auth::discover},
};

constexpr std::array<std::pair<std::string_view, Auth>, 5> kAuths{{
    {"rackspace", Auth::rackspace},
    {"v1", Auth::v1},
    {"v2", Auth::v2},
    {"v3", Auth::v3},
    {"v3applicationcredential", Auth::v3_application_credential},
}};

std::string_view auth_name(Auth auth) {
  for (const auto& [name, value] : kAuths) {
    if (value == auth) return name;
  }
  return "discover";
}

const ProviderFacts& load_provider(KeyReader& storage) {
  std::array<std::pair<std::string_view, const ProviderFacts*>, kProviders.size()> names;
  std::ranges::transform(kProviders, names.begin(),
                         [](const ProviderFacts& facts) { return std::pair(facts.name, &facts); });
  return *storage.choice<const ProviderFacts*>("openstack.provider", kProviders.data(), names);
}

void load_url(KeyReader& storage, const ProviderFacts& facts, OpenStackConfig& config) {
  const auto given = storage.text("openstack.url");
  if (!given && facts.url.empty()) {
    storage.required("openstack.url",
                     "the URL of the identity service, because openstack.provider is swift");
    return;
  }
  const std::string text = given.value_or(std::string(facts.url));
  if (auto url = storage.parse("openstack.url", text, parse_service_url)) {
    config.url = std::move(*url);
    check_transport(storage, "[storage] openstack.url", config.url, "the secret and the tokens");
  }
}

void load_auth(KeyReader& storage, const ProviderFacts& facts, OpenStackConfig& config) {
  config.auth = storage.choice<Auth>("openstack.auth", facts.auth, kAuths);
  const bool own_url = storage.text("openstack.url").has_value();
  if (own_url || facts.provider == Provider::swift || config.auth == facts.auth) return;
  // Rackspace's own v2.0 service also takes a password.
  if (facts.auth == Auth::rackspace && config.auth == Auth::v2) return;
  storage.refuse("openstack.auth",
                 fmt::format("{} contradicts openstack.provider = {}, whose identity service "
                             "speaks {}; expected that, or another provider, or openstack.url",
                             auth_name(config.auth), facts.name, auth_name(facts.auth)));
}

void load_account(KeyReader& storage, OpenStackConfig& config) {
  const bool by_credential = config.auth == Auth::v3_application_credential;
  config.application_credential_id = storage.text_or("openstack.application_credential_id", "");
  if (by_credential) {
    config.application_credential_id =
        storage.required("openstack.application_credential_id",
                         "the credential's id, because openstack.auth is v3applicationcredential");
    config.username = storage.text_or("openstack.username", "");
  } else {
    config.username = storage.required("openstack.username", "the name of the account's user");
    if (!config.application_credential_id.empty()) {
      storage.refuse("openstack.application_credential_id",
                     "it is used with openstack.auth = v3applicationcredential only; expected "
                     "that, or no such key");
    }
  }
  config.api_key = required_secret(storage.context(), "openstack_api_key",
                                   "the API key, the password or the application credential's "
                                   "secret of the OpenStack account");
}

// Keys that the chosen way to authenticate has no place for.
void load_scope(KeyReader& storage, OpenStackConfig& config) {
  const auto unless = [&](std::string_view key, bool used, std::string_view why) {
    if (!used && storage.text(key)) {
      storage.refuse(key, fmt::format("it has no place in openstack.auth = {}, {}; expected no "
                                      "such key",
                                      auth_name(config.auth), why));
    }
  };
  const bool v1 = config.auth == Auth::v1;
  const bool domains = config.auth == Auth::v3 || config.auth == Auth::discover;
  unless("openstack.project", domains || config.auth == Auth::v2,
         "which takes the project from the account");
  unless("openstack.user_domain", domains, "which knows no domains");
  unless("openstack.project_domain", domains, "which knows no domains");
  unless("openstack.region", !v1, "which tells one storage URL only");
  unless("openstack.endpoint", !v1, "which tells one storage URL only");
  config.project = storage.text_or("openstack.project", "");
  config.user_domain = storage.text_or("openstack.user_domain", "Default");
  config.project_domain = storage.text_or("openstack.project_domain", "Default");
  config.region = storage.text_or("openstack.region", "");
  constexpr std::array<std::pair<std::string_view, Endpoint>, 2> kEndpoints{
      {{"public", Endpoint::public_url}, {"internal", Endpoint::internal_url}}};
  config.endpoint =
      storage.choice<Endpoint>("openstack.endpoint", Endpoint::public_url, kEndpoints);
}

void load_container(KeyReader& storage, OpenStackConfig& config) {
  config.container =
      storage.required("openstack.container", "the name of the container that keeps the shares");
  if (config.container.contains('/') || config.container.size() > kMaxContainerBytes ||
      config.container == "." || config.container == "..") {
    storage.refuse("openstack.container",
                   fmt::format("{} is not the name of a container; expected at most {} bytes "
                               "without '/' (a folder in it goes into openstack.prefix)",
                               in_quotes(config.container), kMaxContainerBytes));
  }
}

}  // namespace

OpenStackConfig load_openstack(LoadContext& context, std::uint64_t memory_limit_bytes) {
  KeyReader storage(context, "storage");
  OpenStackConfig config;
  const ProviderFacts& facts = load_provider(storage);
  config.provider = facts.provider;
  load_url(storage, facts, config);
  load_auth(storage, facts, config);
  load_account(storage, config);
  load_scope(storage, config);
  load_container(storage, config);
  config.prefix = load_prefix(storage, "openstack");
  config.part_size_bytes = storage.size("openstack.part_size", kDefaultPartSizeBytes,
                                        kMinPartSizeBytes, kMaxPartSizeBytes);
  config.ca_file = storage.existing_file("openstack.ca_file");
  config.max_requests =
      storage.number("openstack.max_requests", kDefaultMaxRequests, 1, kMaxMaxRequests);
  config.cache_size_bytes = load_cache_size(storage, "openstack", memory_limit_bytes);
  return config;
}

}  // namespace sharestore
