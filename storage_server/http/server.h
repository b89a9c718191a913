// An HTTP server: the storage protocol's port over TLS, or the operator's web port without it.
//
// One thread per worker; each has its own listening socket, io_context and connections. The Handler
// is called on all of them at once. A Server is used from one thread (main's), except where a
// member says otherwise, and outlives nothing that it was given.
#pragma once

#include <boost/asio/any_io_executor.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/core/clock.h"
#include "backends/core/error.h"
#include "backends/core/memory_budget.h"
#include "backends/core/secret.h"
#include "config/endpoint.h"
#include "storage_server/http/limits.h"
#include "storage_server/http/message.h"
#include "storage_server/http/metrics.h"

namespace sharestore::http {

struct TlsIdentity {
  std::string certificate_chain_pem;  // the leaf first
  Secret private_key_pem;
};

// One line for a request log. Header values and bodies never come here; the path is cut so that no
// secret or whole storage index is left in it (text.h: loggable_path), and has no query.
// The views are valid during the call only.
struct RequestRecord {
  std::uint64_t id = 0;
  std::string_view method;
  std::string_view path;
  int status = 0;
  std::uint64_t body_bytes = 0;  // sent
  Duration duration{};           // from the whole head until the whole answer was handed on
  bool complete = true;          // false: the connection ended before
};

struct ServerOptions {
  std::vector<ListenEndpoint> endpoints;  // port 0: any free one
  std::optional<TlsIdentity> tls;         // none: plain HTTP
  Limits limits;
  std::size_t workers = 1;
  // Called on the workers' threads; must not block.
  std::function<void(const RequestRecord&)> request_log;
  // Asked when a request begins: whether it will be logged. None: every one is.
  bool (*logs_requests)() = nullptr;
};

class Server {
 public:
  // `handler`, `clock` and `memory` outlive the server. Buffers are charged to `memory`.
  Server(ServerOptions options, Handler& handler, Clock& clock, MemoryBudget& memory);
  // As stop().
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Binds everything, then starts the threads; nothing is left behind on failure. Once only.
  // Errors as open_listener() and TlsContext::create(); the sentence is for the operator.
  Status start();

  // The port of an endpoint, after start(); 0 for a unix socket.
  std::uint16_t port(std::size_t endpoint = 0) const;

  // The workers' executors, from construction on; each is one thread. Work spawned there runs once
  // started, and stop() waits for its end. Any thread.
  std::vector<boost::asio::any_io_executor> executors() const;

  // Stops accepting, closes idle connections, lets requests in flight finish (their answers say
  // "Connection: close") until `deadline` by the server's clock. True: all had finished. stop() is
  // still needed.
  bool drain(Monotonic deadline);

  // Closes every connection, cancels the handlers and waits until they have ended. Repeatable.
  void stop();

  // Looks at all timeouts now instead of at the next second, and waits until that is done: for
  // tests that move the clock.
  void check_timeouts();

  // Sums over the workers. Any thread.
  Metrics metrics() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sharestore::http
