#include "backends/openstack/identity_protocol.h"

#include <fmt/format.h>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <charconv>
#include <utility>

#include "backends/openstack/iso_time.h"
#include "backends/openstack/json_text.h"
#include "backends/openstack/service_catalogue.h"
#include "config/service_url.h"

namespace sharestore::openstack {

namespace json = boost::json;
using http_client::HttpRequest;
using http_client::HttpResponse;

namespace {

using Auth = OpenStackConfig::Auth;

constexpr std::size_t kMaxQuotedBytes = 200;
// A catalogue of a large cloud has tens of kilobytes.
constexpr std::size_t kMaxTokenAnswerBytes = 4 << 20;

std::string revealed(const OpenStackConfig& config) { return std::string(config.api_key.reveal()); }

json::value v2_body(const OpenStackConfig& config) {
  json::object auth{
      {"passwordCredentials", {{"username", config.username}, {"password", revealed(config)}}}};
  if (!config.project.empty()) auth["tenantName"] = config.project;
  return {{"auth", std::move(auth)}};
}

json::value rackspace_body(const OpenStackConfig& config) {
  return {{"auth",
           {{"RAX-KSKEY:apiKeyCredentials",
             {{"username", config.username}, {"apiKey", revealed(config)}}}}}};
}

json::value v3_password_body(const OpenStackConfig& config) {
  json::object user{{"name", config.username},
                    {"domain", {{"name", config.user_domain}}},
                    {"password", revealed(config)}};
  json::object auth{{"identity",
                     {{"methods", json::array{"password"}},
                      {"password", json::object{{"user", std::move(user)}}}}}};
  if (!config.project.empty()) {
    auth["scope"] = {
        {"project", {{"name", config.project}, {"domain", {{"name", config.project_domain}}}}}};
  }
  return {{"auth", std::move(auth)}};
}

// Bound to a project already: it takes no scope.
json::value v3_credential_body(const OpenStackConfig& config) {
  return {{"auth",
           {{"identity",
             {{"methods", json::array{"application_credential"}},
              {"application_credential",
               {{"id", config.application_credential_id}, {"secret", revealed(config)}}}}}}}};
}

json::value body_for(Auth auth, const OpenStackConfig& config) {
  switch (auth) {
    case Auth::v2: return v2_body(config);
    case Auth::v3: return v3_password_body(config);
    case Auth::v3_application_credential: return v3_credential_body(config);
    default: return rackspace_body(config);
  }
}

// The sentence of an error's body: {"error": {"message"}} or {"unauthorized": {"message"}}.
std::string told_by(const HttpResponse& response) {
  const auto parsed = parse_json(response.body.text());
  if (!parsed || !parsed->is_object()) return {};
  for (const auto& member : parsed->get_object()) {
    if (const json::object* fault = member.value().if_object()) {
      std::string message = text_at(*fault, "message");
      if (!message.empty()) return fmt::format(" ({})", message.substr(0, kMaxQuotedBytes));
    }
  }
  return {};
}

std::string what_to_check(Auth auth, const OpenStackConfig& config) {
  switch (auth) {
    case Auth::v3_application_credential:
      return fmt::format(
          "the application credential {} is unknown or expired, or private/openstack_api_key is "
          "not its secret",
          config.application_credential_id);
    case Auth::v3:
      return fmt::format(
          "check openstack.username = {}, openstack.user_domain = {}, openstack.project = {}, "
          "openstack.project_domain = {} and the password in private/openstack_api_key",
          config.username, config.user_domain, config.project, config.project_domain);
    case Auth::v2:
      return fmt::format(
          "check openstack.username = {}, openstack.project = {} and the password in "
          "private/openstack_api_key",
          config.username, config.project);
    default:
      return fmt::format("check openstack.username = {} and the key in private/openstack_api_key",
                         config.username);
  }
}

Error refusal(const IdentityAddress& address, const OpenStackConfig& config,
              const HttpResponse& response) {
  const std::string who =
      fmt::format("the identity service {}", http_client::origin_of(address.url));
  const std::string told = told_by(response);
  switch (response.status) {
    case 401:
      return {Errc::unauthorized, fmt::format("{} refuses the account{}: {}", who, told,
                                              what_to_check(address.auth, config))};
    case 403:
      return {Errc::unauthorized,
              fmt::format("{} refuses the account{}: the user {} is unknown, disabled or locked",
                          who, told, config.username)};
    case 300:
    case 404:
    case 405:
      // Keystone does not find a credential that it does not know.
      if (address.auth == Auth::v3_application_credential &&
          told.contains("Application Credential")) {
        return {Errc::unauthorized, fmt::format("{} refuses the account{}: {}", who, told,
                                                what_to_check(address.auth, config))};
      }
      return {Errc::not_found,
              fmt::format("{} answers {} to {}{}: there is no identity service of "
                          "kind {}; check openstack.url and openstack.auth",
                          who, response.status, address.url, told, auth_name(address.auth))};
    case 400:
      return {Errc::invalid_argument,
              fmt::format("{} does not understand a request of kind {}{}: check openstack.auth and "
                          "openstack.url",
                          who, auth_name(address.auth), told)};
    case 413:
    case 429: return {Errc::busy, fmt::format("{} is asked too often{}", who, told)};
    default: return {Errc::unavailable, fmt::format("{} answers {}{}", who, response.status, told)};
  }
}

// tempauth counts whole seconds, cut off; Rackspace says it as a shared cache's age.
std::optional<std::chrono::milliseconds> v1_life(const HttpResponse& response) {
  const auto seconds = [](std::string_view text) -> std::optional<std::chrono::milliseconds> {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc()) return std::nullopt;
    return std::chrono::seconds(value);
  };
  if (const auto told = seconds(response.header("X-Auth-Token-Expires"))) {
    return *told + std::chrono::seconds(1);
  }
  constexpr std::string_view kAge = "s-maxage=";
  const std::string_view cache = response.header("Cache-Control");
  const auto at = cache.find(kAge);
  if (at == std::string_view::npos) return std::nullopt;
  return seconds(cache.substr(at + kAge.size()));
}

// A store behind a TLS front that does not know of it names itself with http.
Result<std::string> v1_storage_url(const IdentityAddress& address, std::string_view text) {
  auto storage = parse_service_url(text);
  const auto identity = parse_service_url(address.url);
  if (!storage) return fail(storage.error().with_context("X-Storage-Url of the identity service"));
  if (identity && identity->tls && !storage->tls && storage->host == identity->host &&
      (!storage->port_was_given || storage->port == identity->port)) {
    storage->tls = true;
    storage->port = identity->port;
  }
  return storage->to_string();
}

Result<TokenAnswer> read_v1(const IdentityAddress& address, const HttpResponse& response) {
  std::string_view token = response.header("X-Auth-Token");
  if (token.empty()) token = response.header("X-Storage-Token");
  const std::string_view url = response.header("X-Storage-Url");
  if (token.empty() || url.empty()) {
    return fail(Errc::not_found,
                fmt::format("{} answers without X-Auth-Token and X-Storage-Url: there is no v1 "
                            "identity service; check openstack.url and openstack.auth",
                            address.url));
  }
  auto storage_url = v1_storage_url(address, url);
  if (!storage_url) return fail(std::move(storage_url.error()));
  return TokenAnswer{Secret(token), v1_life(response), std::move(*storage_url)};
}

struct ParsedToken {
  std::string token;
  std::string expires;
  std::string default_region;
  ServiceCatalogue catalogue;
};

ParsedToken read_v2(const json::object& access) {
  ParsedToken parsed;
  if (const json::object* token = object_at(access, "token")) {
    parsed.token = text_at(*token, "id");
    parsed.expires = text_at(*token, "expires");
  }
  if (const json::object* user = object_at(access, "user")) {
    parsed.default_region = text_at(*user, "RAX-AUTH:defaultRegion");
  }
  parsed.catalogue = read_v2_catalogue(access);
  return parsed;
}

ParsedToken read_v3(const json::object& token, const HttpResponse& response) {
  ParsedToken parsed;
  parsed.token = std::string(response.header("X-Subject-Token"));
  parsed.expires = text_at(token, "expires_at");
  parsed.catalogue = read_v3_catalogue(token);
  return parsed;
}

}  // namespace

std::string_view auth_name(Auth auth) {
  switch (auth) {
    case Auth::discover: return "discover";
    case Auth::rackspace: return "rackspace";
    case Auth::v1: return "v1";
    case Auth::v2: return "v2";
    case Auth::v3: return "v3";
    case Auth::v3_application_credential: return "v3applicationcredential";
  }
  return "";
}

HttpRequest make_token_request(const IdentityAddress& address, const OpenStackConfig& config) {
  HttpRequest request;
  request.url = address.url;
  request.ca_file = config.ca_file;
  request.max_response_bytes = kMaxTokenAnswerBytes;
  if (address.auth == Auth::v1) {
    request.method = "GET";
    request.headers = {{"X-Auth-User", config.username}, {"X-Auth-Key", revealed(config)}};
    return request;
  }
  request.method = "POST";
  request.headers = {{"Content-Type", "application/json"}, {"Accept", "application/json"}};
  request.body = memory_source(Bytes::copy_of(json::serialize(body_for(address.auth, config))));
  return request;
}

Result<TokenAnswer> read_token_answer(const IdentityAddress& address, const OpenStackConfig& config,
                                      const HttpResponse& response, WallTime their_now) {
  if (response.status < 200 || response.status > 299) {
    return fail(refusal(address, config, response));
  }
  if (address.auth == Auth::v1) return read_v1(address, response);
  const std::string who = "the identity service " + http_client::origin_of(address.url);
  const auto parsed = parse_json(response.body.text());
  if (!parsed) return fail(parsed.error().with_context(who));
  const bool is_v2 = address.auth == Auth::v2 || address.auth == Auth::rackspace;
  const json::object* top = parsed->if_object();
  const json::object* inner =
      top == nullptr ? nullptr : object_at(*top, is_v2 ? "access" : "token");
  ParsedToken token;
  if (inner != nullptr) token = is_v2 ? read_v2(*inner) : read_v3(*inner, response);
  if (token.token.empty()) {
    return fail(Errc::unavailable, who + " answers without a token");
  }
  const StoreChoice choice{config.region, token.default_region, config.endpoint};
  auto url = choose_object_store(token.catalogue, choice);
  if (!url) return fail(url.error().with_context(who));
  TokenAnswer answer{Secret(token.token), std::nullopt, std::move(*url)};
  if (const auto expires = parse_iso_time(token.expires)) {
    answer.life_ms = std::chrono::duration_cast<std::chrono::milliseconds>(*expires - their_now);
  }
  return answer;
}

}  // namespace sharestore::openstack
