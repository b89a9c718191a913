#include "storage_server/http/worker.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <cerrno>
#include <utility>

#include "storage_server/http/running_request.h"
#include "storage_server/http/text.h"
#include "storage_server/http/worker_memory.h"

namespace sharestore::http {

namespace asio = boost::asio;

namespace {

constexpr std::chrono::seconds kTick{1};
// Ticks without a request after which the worker's scratch memory goes back to the system.
constexpr int kIdleTicks = 5;
constexpr int kEventBatch = 128;
// Batches taken one after the other before timers and coroutines get their turn: what arrives while
// a batch is worked on costs one system call then, not Asio's three.
constexpr int kEventRounds = 4;
constexpr std::uint64_t kListenerTag = 1ULL << 63;

std::string_view method_name(Method method) {
  switch (method) {
    case Method::get: return "GET";
    case Method::head: return "HEAD";
    case Method::patch: return "PATCH";
    case Method::post: return "POST";
    case Method::put: return "PUT";
    case Method::del: return "DELETE";
    case Method::options: return "OPTIONS";
    case Method::other: break;
  }
  return "-";
}

}  // namespace

Worker::Worker(Shared& shared)
    : shared_(shared),
      limits_(shared.limits),
      timeouts_(shared.limits),
      now_(shared.clock.now()),
      buffers_(shared.memory) {}

Worker::~Worker() {
  if (scratch_) munmap(scratch_, kScratchBytes);
}

Status Worker::prepare(std::vector<Descriptor> listeners, std::optional<TlsContext> tls) {
  listeners_ = std::move(listeners);
  if (tls) tls_.emplace(std::move(*tls));
  void* memory =
      mmap(nullptr, kScratchBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  if (memory == MAP_FAILED || epoll_ < 0) {
    return fail(errno_error(errno, "cannot start a worker"));
  }
  poll_.assign(epoll_);
  scratch_ = static_cast<std::byte*>(memory);
  scratch_ticket_ = shared_.memory.charge(kScratchBytes);
  wire_memory_ = scratch_;
  text_memory_ = wire_memory_ + kWireBytes;
  source_memory_ = text_memory_ + kTextBytes;
  wire_.pool = &buffers_;
  resume_accepting();
  return {};
}

void Worker::run() {
  // Spawned on the loop: Asio does not survive a coroutine that is cancelled before its first step.
  asio::post(io_, [this] {
    if (stopping_) return;
    asio::co_spawn(io_, tick(),
                   asio::bind_cancellation_slot(tick_cancel_.slot(), [](std::exception_ptr) {}));
    watch();
  });
  io_.run();
}

void Worker::watch() {
  if (stopping_) return;
  poll_.async_wait(asio::posix::stream_descriptor::wait_read,
                   [this](const boost::system::error_code& error) {
                     if (error || stopping_) return;
                     poll_events();
                     watch();
                   });
}

void Worker::poll_events() {
  for (int round = 0; round < kEventRounds && !stopping_; ++round) {
    Turn turn(*this);
    epoll_event events[kEventBatch];
    int count = epoll_wait(epoll_, events, kEventBatch, 0);
    if (count <= 0) return;
    for (int i = 0; i < count; ++i) {
      std::uint64_t tag = events[i].data.u64;
      if (tag & kListenerTag) {
        accept_from(static_cast<std::size_t>(tag & ~kListenerTag));
      } else {
        on_event({static_cast<std::uint32_t>(tag), static_cast<std::uint32_t>(tag >> 32)},
                 events[i].events);
      }
    }
  }
}

void Worker::on_event(ConnectionRef ref, std::uint32_t events) {
  Connection* c = find(ref);
  if (!c) return;
  if (events == EPOLLOUT && !c->blocked) return;
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
    c->readable = true;
    c->input_idle = false;
  }
  if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR) && c->blocked) {
    c->blocked = false;
    c->stalled += now_ - c->blocked_since;
  }
  if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) c->hangup = true;
  // While a handler runs nobody reads, so this is how a lost client is noticed. A client that only
  // shut its sending side is lost to its handler too: it cannot be told apart.
  bool lost = events & (EPOLLHUP | EPOLLERR) || (c->hangup && c->phase == Phase::handling);
  if (lost && (c->phase == Phase::handling || c->phase == Phase::fetching)) return close(*c);
  if (c->running) c->running->wake();
  drive(*c);
}

void Worker::schedule_again(Connection& c) {
  if (c.queued_again) return;
  c.queued_again = true;
  again_.push_back(c.ref());
  if (std::exchange(again_posted_, true)) return;
  asio::post(io_, [this] { run_again(); });
}

void Worker::run_again() {
  Turn turn(*this);
  again_posted_ = false;
  for (ConnectionRef ref : std::exchange(again_, {})) {
    Connection* c = find(ref);
    if (!c) continue;
    c->queued_again = false;
    drive(*c);
  }
}

void Worker::run_starts() {
  while (!starts_.empty()) {
    for (auto& start : std::exchange(starts_, {})) start();
  }
}

Connection* Worker::find(ConnectionRef ref) {
  if (ref.slot >= slots_.size()) return nullptr;
  Connection& c = slots_[ref.slot];
  return c.socket && c.generation == ref.generation ? &c : nullptr;
}

void Worker::log_request(const Connection& c, bool complete) const {
  shared_.request_log({c.request_id, method_name(c.method), c.logged_path, c.status, c.sent,
                       now_ - c.started, complete});
}

void Worker::close(Connection& c) {
  if (c.request_id != 0 && c.logged) log_request(c, /*complete=*/false);
  timeouts_.disarm(c);
  shared_.addresses.remove(c.address);
  shared_.connections.fetch_sub(1, std::memory_order_relaxed);
  metrics_.connections_open.subtract();
  if (c.phase != Phase::lingering) active_.fetch_sub(1, std::memory_order_release);
  buffers_.put(std::move(c.out));
  // Last, because a cancelled handler may end at once.
  auto running = std::move(c.running);
  auto fetch = std::move(c.fetch);
  std::uint32_t slot = c.slot;
  std::uint32_t generation = c.generation + 1;
  std::destroy_at(&c);
  std::construct_at(&c);
  c.slot = slot;
  c.generation = generation;
  vacant_.push_back(slot);
  if (running) running->abandon();
  if (fetch) fetch->abandon();
}

asio::awaitable<void> Worker::tick() {
  co_await asio::this_coro::throw_if_cancelled(false);
  while (!stopping_) {
    co_await shared_.clock.sleep_until(shared_.clock.now() + kTick);
    if (!stopping_) check_timeouts();
  }
}

void Worker::check_timeouts() {
  Turn turn(*this);
  TimeoutKind kind = TimeoutKind::none;
  while (TimeoutHook* hook = timeouts_.take_expired(now_, kind)) {
    expire(static_cast<Connection&>(*hook), kind);
  }
  resume_accepting();
  if (std::exchange(requests_at_tick_, requests_) != requests_) {
    idle_ticks_ = 0;
  } else if (++idle_ticks_ == kIdleTicks) {
    release_idle_memory();
  }
}

void Worker::expire(Connection& c, TimeoutKind kind) {
  if (kind != TimeoutKind::idle) metrics_.timeouts.add();
  switch (kind) {
    case TimeoutKind::body:
      if (c.running) c.running->stall();
      return;
    case TimeoutKind::idle:
    case TimeoutKind::head: begin_close(c); return drive(c);
    case TimeoutKind::handshake: metrics_.handshakes_failed.add(); [[fallthrough]];
    case TimeoutKind::send:
    case TimeoutKind::drain:
    case TimeoutKind::linger:
    case TimeoutKind::none: return close(c);
  }
}

// Whether part of a head has come.
bool Worker::in_request(const Connection& c) const {
  return c.held_text || c.held_wire || (c.tls && c.tls->holds_input());
}

// After work on a connection: the timeout that fits what it now waits for.
void Worker::settle(Connection& c) {
  auto once = [&](TimeoutKind kind) {
    if (c.kind != kind) timeouts_.arm(c, kind, now_);
  };
  if (c.queued_again) return timeouts_.disarm(c);  // it goes on by itself
  switch (c.phase) {
    case Phase::handshake: return once(TimeoutKind::handshake);
    case Phase::draining: return once(TimeoutKind::drain);
    case Phase::closing:
    case Phase::lingering: return once(TimeoutKind::linger);
    case Phase::handling:
      if (c.kind != TimeoutKind::body) timeouts_.disarm(c);
      return;
    case Phase::head:
      // Not armed anew by every byte: finish_answer() disarms.
      if (!c.blocked) return once(in_request(c) ? TimeoutKind::head : TimeoutKind::idle);
      [[fallthrough]];
    case Phase::answering: return timeouts_.arm(c, TimeoutKind::send, now_);
    case Phase::fetching: return timeouts_.disarm(c);
  }
}

void Worker::refresh_time() {
  now_ = shared_.clock.now();
  writer_.set_time(shared_.clock.utc_now());
}

void Worker::release_idle_memory() {
  buffers_.trim();
  madvise(scratch_, kScratchBytes, MADV_DONTNEED);
}

void Worker::begin_drain() {
  asio::post(io_, [this] {
    if (stopping_) return;
    Turn turn(*this);
    close_listeners();
    for (Connection& c : slots_) {
      // fill_text() closes it unless a request has come meanwhile.
      if (c.socket && c.phase == Phase::head) drive(c);
    }
  });
}

void Worker::stop() {
  asio::post(io_, [this] { stop_here(); });
}

void Worker::stop_here() {
  if (std::exchange(stopping_, true)) return;
  Turn turn(*this);
  close_listeners();
  for (Connection& c : slots_) {
    if (c.socket) close(c);
  }
  tick_cancel_.emit(asio::cancellation_type::terminal);
  boost::system::error_code ignored;
  poll_.close(ignored);
}

void Worker::check_timeouts_soon(std::function<void()> done) {
  asio::post(io_, [this, done = std::move(done)] {
    if (!stopping_) check_timeouts();
    done();
  });
}

}  // namespace sharestore::http
