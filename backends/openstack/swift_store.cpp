#include "backends/openstack/swift_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "backends/openstack/swift_answers.h"

namespace sharestore::openstack {

using http_client::EndpointCall;
using http_client::HttpRequest;
using http_client::HttpResponse;
using http_client::Judgement;
using http_client::Verdict;

namespace {

// Room for a page of a listing, however small the cache.
constexpr std::uint64_t kMinArrivingBytes = 4 << 20;

http_client::EndpointOptions endpoint_options(const OpenStackConfig& config) {
  http_client::EndpointOptions options;
  options.origin = fmt::format("{} (identity service {})", config.container,
                               http_client::origin_of(config.url.to_string()));
  options.max_requests = config.max_requests;
  options.max_arriving_bytes =
      std::max(http_client::arriving_bytes(config.cache_size_bytes), kMinArrivingBytes);
  options.http.max_connections = config.max_requests;
  options.ca_file = config.ca_file;
  options.request_id_headers = {"X-Trans-Id"};
  return options;
}

// Whatever the identity service does not find is no word about an object.
Error said_of_account(const Error& error) {
  const Errc code = error.code();
  const bool of_object = code == Errc::not_found || code == Errc::invalid_argument ||
                         code == Errc::conflict || code == Errc::forbidden ||
                         code == Errc::too_large;
  return {of_object ? Errc::unavailable : code, error.message()};
}

// "https://store/swift" of "https://store/swift/v1/AUTH_x".
std::string service_root(const std::string& storage_url) {
  const auto version = storage_url.rfind("/v1");
  return version == std::string::npos ? storage_url : storage_url.substr(0, version);
}

// What the attempts of one call share.
struct Attempts {
  std::optional<Token> token;
  bool replayed = false;
};

// One renewal for a refused token; another only if the new one had ended by then.
Judgement judge_refusal(Attempts& attempts, TokenSource& tokens, const std::string& what,
                        Monotonic now) {
  Error error(Errc::unauthorized, what + ": the store refuses the token (401)");
  tokens.invalidate(attempts.token->generation);
  const bool again = !std::exchange(attempts.replayed, true) || now >= attempts.token->ends_at;
  return {again ? Verdict::corrected : Verdict::final, std::move(error)};
}

}  // namespace

SwiftStore::SwiftStore(boost::asio::any_io_executor executor, IoPool& pool,
                       const OpenStackConfig& config)
    : tokens_(executor, pool, config), endpoint_(executor, pool, endpoint_options(config)) {}

Task<HttpResponse> SwiftStore::send(OpContext context, StoreCall call) {
  const auto attempts = std::make_shared<Attempts>();
  const auto asked = std::make_shared<const StoreCall>(std::move(call));
  EndpointCall sent;
  sent.what = asked->what;
  sent.effect = asked->effect;
  sent.prepare = [this, attempts, asked](OpContext now, WallTime) -> Task<HttpRequest> {
    auto token = co_await tokens_.token(now);
    if (!token) co_return fail(said_of_account(token.error()));
    attempts->token = std::move(*token);
    HttpRequest request;
    request.method = asked->method;
    request.url = (asked->about_service ? service_root(attempts->token->storage_url)
                                        : attempts->token->storage_url) +
                  asked->target;
    request.headers = asked->headers;
    request.headers.emplace_back("X-Auth-Token", std::string(attempts->token->value.reveal()));
    request.body = asked->body;
    request.max_response_bytes = asked->max_response_bytes;
    co_return request;
  };
  Clock& clock = context.clock();
  sent.judge = [this, attempts, asked, &clock](const HttpResponse& response) -> Judgement {
    if (response.status == 401) {
      return judge_refusal(*attempts, tokens_, asked->what, clock.now());
    }
    return asked->judge ? asked->judge(response)
                        : judge_swift(response, asked->effect, asked->what);
  };
  co_return co_await endpoint_.send(context, std::move(sent));
}

ContainerStatus SwiftStore::status() const {
  ContainerStatus status;
  const auto endpoint = endpoint_.status();
  const auto tokens = tokens_.status();
  if (!tokens.trouble.empty() && !tokens.has_token) {
    status.health = {false, tokens.trouble};
  } else if (!endpoint.answering) {
    status.health = {false, endpoint.last_error};
  }
  auto offset = endpoint_.clock_offset().value();
  if (!offset) offset = tokens.clock_offset;
  status.clock_known = offset.has_value();
  status.clock_offset_seconds = offset.value_or(std::chrono::seconds(0)).count();
  status.traffic = StoreTraffic{endpoint.requests, endpoint.retries, endpoint.throttles,
                                endpoint.bytes_out, endpoint.bytes_in};
  return status;
}

boost::asio::awaitable<void> SwiftStore::close() {
  co_await endpoint_.close();
  co_await tokens_.close();
}

}  // namespace sharestore::openstack
