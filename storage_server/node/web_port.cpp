#include "storage_server/node/web_port.h"

#include <utility>

#include "backends/core/log.h"

namespace sharestore {

namespace {

// The figures are nobody else's business unless the operator says so.
void keep_to_this_machine(ListenEndpoint& endpoint) {
  if (!endpoint.interface.empty()) return;
  if (endpoint.kind == ListenEndpoint::Kind::tcp4) endpoint.interface = "127.0.0.1";
  if (endpoint.kind == ListenEndpoint::Kind::tcp6) endpoint.interface = "::1";
}

void tell_where(const ListenEndpoint& endpoint, std::uint16_t port) {
  switch (endpoint.kind) {
    case ListenEndpoint::Kind::tcp4:
      log::info("status page: http://{}:{}/storage", endpoint.interface, port);
      break;
    case ListenEndpoint::Kind::tcp6:
      log::info("status page: http://[{}]:{}/storage", endpoint.interface, port);
      break;
    case ListenEndpoint::Kind::unix_socket:
      log::info("status page: unix socket {}", endpoint.path);
      break;
  }
}

}  // namespace

Result<std::unique_ptr<WebPort>> WebPort::open(std::vector<ListenEndpoint> endpoints,
                                               const StatusSource& status, Clock& clock) {
  if (endpoints.empty()) return nullptr;
  for (ListenEndpoint& endpoint : endpoints) keep_to_this_machine(endpoint);
  http::ServerOptions options;
  options.endpoints = endpoints;
  options.limits = web::web_limits();
  std::unique_ptr<WebPort> made(new WebPort(std::move(options), status, clock));
  if (auto started = made->server_.start(); !started) return fail(started.error());
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    tell_where(endpoints[i], made->server_.port(i));
  }
  return made;
}

}  // namespace sharestore
