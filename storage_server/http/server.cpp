#include "storage_server/http/server.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <thread>

#include "storage_server/http/worker.h"

namespace sharestore::http {
namespace {

// How often drain() looks whether the connections have gone.
constexpr std::chrono::milliseconds kDrainPoll{10};

// Signals are for the main thread.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace

struct Server::Impl {
  Impl(ServerOptions chosen, Handler& handler, Clock& clock, MemoryBudget& memory)
      : options(std::move(chosen)),
        shared{.handler = handler,
               .clock = clock,
               .memory = memory,
               .limits = options.limits,
               .request_log = options.request_log,
               .logs_requests = options.logs_requests,
               .connections = 0,
               .requests_in_flight = 0,
               .draining = false,
               .addresses = {}} {
    shared.limits.head_bytes = std::min(shared.limits.head_bytes, kMaxHeadBytes);
    for (std::size_t i = 0; i < std::max<std::size_t>(options.workers, 1); ++i) {
      workers.push_back(std::make_unique<Worker>(shared));
    }
  }

  Status open();
  Status prepare();

  ServerOptions options;
  Shared shared;
  std::vector<std::unique_ptr<Worker>> workers;
  std::vector<Listener> listeners;
  std::vector<std::thread> threads;
};

Status Server::Impl::open() {
  for (const ListenEndpoint& endpoint : options.endpoints) {
    auto listener = open_listener(endpoint, workers.size());
    if (!listener) return fail(listener.error());
    listeners.push_back(std::move(*listener));
  }
  return {};
}

Status Server::Impl::prepare() {
  auto ticket_keys = std::make_shared<TicketKeys>(shared.clock);
  for (std::size_t i = 0; i < workers.size(); ++i) {
    std::optional<TlsContext> tls;
    if (options.tls) {
      auto made = TlsContext::create(options.tls->certificate_chain_pem,
                                     options.tls->private_key_pem.reveal(), ticket_keys);
      if (!made) return fail(made.error());
      tls.emplace(std::move(*made));
    }
    std::vector<Descriptor> sockets;
    sockets.reserve(listeners.size());
    for (Listener& listener : listeners) sockets.push_back(std::move(listener.sockets[i]));
    if (auto ready = workers[i]->prepare(std::move(sockets), std::move(tls)); !ready) return ready;
  }
  return {};
}

Server::Server(ServerOptions options, Handler& handler, Clock& clock, MemoryBudget& memory)
    : impl_(std::make_unique<Impl>(std::move(options), handler, clock, memory)) {}

Server::~Server() { stop(); }

Status Server::start() {
  auto status = impl_->open();
  if (status) status = impl_->prepare();
  if (!status) {
    stop();
    return status;
  }
  impl_->options.tls.reset();  // OpenSSL has its own copy; one less of the key
  SignalsBlocked blocked;
  for (auto& worker : impl_->workers) {
    impl_->threads.emplace_back([&worker = *worker] { worker.run(); });
  }
  return {};
}

std::uint16_t Server::port(std::size_t endpoint) const {
  return endpoint < impl_->listeners.size() ? impl_->listeners[endpoint].port : 0;
}

std::vector<boost::asio::any_io_executor> Server::executors() const {
  std::vector<boost::asio::any_io_executor> executors;
  for (const auto& worker : impl_->workers) {
    executors.emplace_back(worker->io_context().get_executor());
  }
  return executors;
}

bool Server::drain(Monotonic deadline) {
  impl_->shared.draining.store(true, std::memory_order_relaxed);
  for (auto& worker : impl_->workers) worker->begin_drain();
  for (;;) {
    bool over = std::all_of(impl_->workers.begin(), impl_->workers.end(),
                            [](const auto& worker) { return worker->active_connections() == 0; });
    if (over) return true;
    if (impl_->shared.clock.now() >= deadline) return false;
    std::this_thread::sleep_for(kDrainPoll);
  }
}

void Server::stop() {
  for (auto& worker : impl_->workers) worker->stop();
  for (std::thread& thread : impl_->threads) thread.join();
  impl_->threads.clear();
  for (Listener& listener : impl_->listeners) {
    if (!listener.unix_path.empty()) unlink(listener.unix_path.c_str());
  }
  impl_->listeners.clear();
}

void Server::check_timeouts() {
  if (impl_->threads.empty()) return;
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t left = impl_->workers.size();
  for (auto& worker : impl_->workers) {
    worker->check_timeouts_soon([&] {
      std::lock_guard lock(mutex);
      --left;
      changed.notify_one();
    });
  }
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return left == 0; });
}

Metrics Server::metrics() const {
  Metrics sum;
  for (const auto& worker : impl_->workers) sum += worker->metrics();
  return sum;
}

}  // namespace sharestore::http
