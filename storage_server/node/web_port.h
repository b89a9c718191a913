// The operator's web port: a server of its own, apart from the clients'.
#pragma once

#include <memory>
#include <vector>

#include "backends/core/clock.h"
#include "backends/core/error.h"
#include "backends/core/memory_budget.h"
#include "config/endpoint.h"
#include "storage_server/http/server.h"
#include "storage_server/node/status.h"
#include "storage_server/web/web_handler.h"

namespace sharestore {

// Buffers of its connections and answers; small beside `[storage] memory_limit`.
inline constexpr std::size_t kWebMemoryBytes = std::size_t{4} << 20;

// Made and ended by main's thread.
class WebPort {
 public:
  // Listens on the endpoints; none: null. One that names no interface is for this machine only.
  // `status` and `clock` outlive it. Errors as http::Server::start.
  static Result<std::unique_ptr<WebPort>> open(std::vector<ListenEndpoint> endpoints,
                                               const StatusSource& status, Clock& clock);

  std::uint16_t port() const { return server_.port(); }

 private:
  WebPort(http::ServerOptions options, const StatusSource& status, Clock& clock)
      : handler_([&status] { return status.read(); }),
        server_(std::move(options), handler_, clock, memory_) {}

  MemoryBudget memory_{kWebMemoryBytes};
  web::WebHandler handler_;
  http::Server server_;
};

}  // namespace sharestore
