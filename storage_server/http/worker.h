// One thread that serves connections: its own listening sockets, its own io_context, its own epoll
// set and buffers. A connection stays with the worker that accepted it, so nothing here is locked.
//
// Connections live in a private epoll set, edge triggered and armed once; Asio watches that set as
// one descriptor. Timers, files and coroutines so share the thread, and Asio is paid per batch of
// events, not per request.
//
// Everything but the members marked "any thread" runs on the worker's thread. `Shared` and what it
// names outlive the worker.
#pragma once

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "backends/core/clock.h"
#include "backends/core/memory_budget.h"
#include "storage_server/http/connection.h"
#include "storage_server/http/limits.h"
#include "storage_server/http/listener.h"
#include "storage_server/http/metrics.h"
#include "storage_server/http/response_writer.h"
#include "storage_server/http/server.h"
#include "storage_server/http/timeouts.h"
#include "storage_server/http/tls_engine.h"

namespace sharestore::http {

// Connections per client address, over all workers. Any thread.
class AddressCounts {
 public:
  // False if the address has `limit` already.
  bool add(const AddressKey& key, std::size_t limit);
  void remove(const AddressKey& key);

 private:
  struct Hash {
    std::size_t operator()(const AddressKey& key) const {
      return std::hash<std::uint64_t>()(key.bits * 2 + (key.v6 ? 1 : 0));
    }
  };
  std::mutex mutex_;
  std::unordered_map<AddressKey, std::size_t, Hash> counts_;
};

// What the workers of one server have in common.
struct Shared {
  Handler& handler;
  Clock& clock;
  MemoryBudget& memory;
  Limits limits;
  std::function<void(const RequestRecord&)> request_log;
  bool (*logs_requests)() = nullptr;

  std::atomic<std::size_t> connections = 0;
  std::atomic<std::size_t> requests_in_flight = 0;
  std::atomic<bool> draining = false;
  AddressCounts addresses;
};

class Worker {
 public:
  explicit Worker(Shared& shared);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Before run(): what to listen on, and the TLS to speak there; without `tls` plain HTTP.
  Status prepare(std::vector<Descriptor> listeners, std::optional<TlsContext> tls);
  // Serves until stop(); returns when the last handler has ended.
  void run();

  // Any thread. The promise-like callbacks run on the worker's thread.
  boost::asio::io_context& io_context() { return io_; }
  void begin_drain();
  void stop();
  void check_timeouts_soon(std::function<void()> done);
  // Connections that still have something to say; lingering ones do not count.
  std::size_t active_connections() const { return active_.load(std::memory_order_acquire); }
  Metrics metrics() const { return metrics_.read(); }

  // For RunningRequest and BodyFetch.
  void handler_ended();
  Handler& handler() { return shared_.handler; }
  Clock& clock() { return shared_.clock; }
  MemoryBudget& memory() { return shared_.memory; }
  void complete(RunningRequest& request, Response response);
  void fetched(ConnectionRef connection, Result<Bytes> piece);
  bool body_finished(const RunningRequest& request);
  bool body_may_have_input(const RunningRequest& request);
  // Nothing: no bytes now. Empty bytes: the end of the body. Charges what it returns to `ticket`.
  Result<std::optional<Bytes>> read_body(const RunningRequest& request,
                                         MemoryBudget::Ticket ticket);
  // The same from what its connection holds and is charged for already, without receiving: a body
  // never waits for memory that the waiting hold themselves.
  Result<std::optional<Bytes>> read_held_body(const RunningRequest& request, std::size_t max_bytes);
  void arm_body_timeout(const RunningRequest& request);
  void disarm_body_timeout(const RunningRequest& request);
  bool too_slow(const RunningRequest& request, Duration waited);
  void fail_body(const RunningRequest& request);

 private:
  class Turn;

  // worker.cpp: events, accepting, the end of connections, time.
  void watch();
  void poll_events();
  void on_event(ConnectionRef ref, std::uint32_t events);
  void run_again();
  void schedule_again(Connection& c);
  void run_starts();
  Connection* find(ConnectionRef ref);
  void close(Connection& c);
  void log_request(const Connection& c, bool complete) const;
  boost::asio::awaitable<void> tick();
  void check_timeouts();
  void expire(Connection& c, TimeoutKind kind);
  void settle(Connection& c);
  bool in_request(const Connection& c) const;
  bool logs_requests() const {
    return shared_.request_log && (!shared_.logs_requests || shared_.logs_requests());
  }
  void release_idle_memory();
  void refresh_time();
  void stop_here();

  // acceptor.cpp
  void accept_from(std::size_t listener);
  bool open_connection(Descriptor socket, const AddressKey& address);
  void pause_accepting();
  void resume_accepting();
  void close_listeners();

  // worker_input.cpp: bytes in, heads, bodies.
  void attach(Connection& c);
  bool detach(Connection& c);
  void hold(HeldBytes& held, const std::byte* from, std::size_t size);
  void drive(Connection& c, Response* first = nullptr);
  bool advance(Connection& c);
  bool receive(Connection& c, std::size_t wire_limit);
  Flow read_plain(Connection& c, MutableByteSpan into, std::size_t& got);
  bool shake_hands(Connection& c);
  bool first_bytes(Connection& c);
  bool next_request(Connection& c);
  bool fill_text(Connection& c);
  bool end_of_input(Connection& c, Flow flow);
  bool take_request(Connection& c, std::string_view head, const Framing& framing);
  bool start_handler(Connection& c, std::string_view head, const Framing& framing,
                     OpContext context);
  std::size_t available(const Connection& c) const;
  enum class Receiving : bool { no, yes };
  Result<std::optional<Bytes>> read_attached(Connection& c, MemoryBudget::Ticket ticket,
                                             Receiving receiving);
  Flow take_body(Connection& c, MutableByteSpan into, std::size_t& got);
  Flow take_chunks(Connection& c, MutableByteSpan into, std::size_t& got);
  bool drain_body(Connection& c);

  // worker_output.cpp: answers, bytes out, the close.
  bool refuse(Connection& c, int status);
  bool begin_answer(Connection& c, Response response);
  bool may_keep(const Connection& c) const;
  bool produce(Connection& c);
  bool produce_piece(Connection& c);
  bool start_fetch(Connection& c);
  bool finish_answer(Connection& c);
  bool write(Connection& c, ByteSpan bytes);
  std::size_t sealable(const Connection& c) const;
  bool flush(Connection& c);
  bool has_output(const Connection& c) const { return c.out && !c.out->empty(); }
  bool begin_close(Connection& c);
  bool finish_closing(Connection& c);
  bool linger(Connection& c);
  void send_continue(Connection& c);

  Shared& shared_;
  const Limits& limits_;
  boost::asio::io_context io_{1};
  boost::asio::posix::stream_descriptor poll_{io_};
  int epoll_ = -1;  // owned by poll_
  std::vector<Descriptor> listeners_;
  bool accepting_ = false;
  std::optional<TlsContext> tls_;

  std::deque<Connection> slots_;
  std::vector<std::uint32_t> vacant_;
  std::vector<ConnectionRef> again_;
  bool again_posted_ = false;
  std::vector<std::move_only_function<void()>> starts_;  // coroutines to begin on a clean stack
  int turns_ = 0;
  bool stopping_ = false;
  std::atomic<std::size_t> active_ = 0;

  Timeouts timeouts_;
  boost::asio::cancellation_signal tick_cancel_;
  Monotonic now_;
  int idle_ticks_ = 0;
  std::uint64_t requests_ = 0;
  std::uint64_t requests_at_tick_ = 0;

  BufferPool buffers_;
  ResponseWriter writer_;
  WorkerMetrics metrics_;
  std::uint64_t next_id_ = 0;
  std::uint64_t last_id_ = 0;

  // Of the connection being worked on.
  Connection* attached_ = nullptr;
  Wire wire_;
  std::size_t text_begin_ = 0;
  std::size_t text_end_ = 0;
  std::size_t turn_bytes_ = 0;
  std::size_t turn_requests_ = 0;
  Request request_;
  std::string head_text_;
  std::vector<std::unique_ptr<PendingAnswer>> spare_answers_;

  // Memory for that connection: received bytes, opened bytes, bytes of a body source.
  MemoryBudget::Ticket scratch_ticket_;
  std::byte* scratch_ = nullptr;
  std::byte* wire_memory_ = nullptr;
  std::byte* text_memory_ = nullptr;
  std::byte* source_memory_ = nullptr;
};

// Brackets every entry into the worker: fresh time before, newly accepted coroutines after, when no
// connection is being worked on any more.
class Worker::Turn {
 public:
  explicit Turn(Worker& worker) : worker_(worker) {
    if (worker_.turns_++ == 0) worker_.refresh_time();
  }
  ~Turn() {
    if (worker_.turns_ == 1) worker_.run_starts();
    --worker_.turns_;
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  Worker& worker_;
};

}  // namespace sharestore::http
