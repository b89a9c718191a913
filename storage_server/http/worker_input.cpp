// Worker: bytes from the socket to request heads and bodies.
//
// While a connection is worked on it is "attached": the worker's scratch memory holds what was
// received (wire_) and what was opened (text_begin_ to text_end_). Whatever is left when the work
// pauses is copied into memory of its own size, so that a quiet connection holds no buffer.
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>

#include "backends/core/limits.h"
#include "storage_server/http/running_request.h"
#include "storage_server/http/text.h"
#include "storage_server/http/worker.h"
#include "storage_server/http/worker_memory.h"

namespace sharestore::http {
namespace {

constexpr std::string_view kFoolscapStart = "GET /id/";
constexpr char kTlsHandshakeRecord = 0x16;

// Memory of a body piece, charged for as long as anybody holds it.
struct PieceOwner {
  MemoryBudget::Ticket ticket;
  std::unique_ptr<std::byte[]> bytes;
};

}  // namespace

void Worker::attach(Connection& c) {
  assert(!attached_);
  attached_ = &c;
  turn_bytes_ = 0;
  turn_requests_ = 0;
  wire_.out = &c.out;
  wire_.in_ended = c.in_ended;
  wire_.in_begin = wire_memory_;
  wire_.in_end = wire_memory_;
  text_begin_ = text_end_ = 0;
  if (HeldBytes held = std::exchange(c.held_wire, {})) {
    std::memcpy(wire_memory_, held.bytes.get(), held.size);
    wire_.in_end += held.size;
  }
  if (HeldBytes held = std::exchange(c.held_text, {})) {
    std::memcpy(text_memory_, held.bytes.get(), held.size);
    text_end_ = held.size;
  }
}

// False: it was to die, and is closed.
bool Worker::detach(Connection& c) {
  assert(attached_ == &c);
  attached_ = nullptr;
  wire_.out = nullptr;
  if (!c.dead) {
    hold(c.held_wire, wire_.in_begin, wire_.in_size());
    hold(c.held_text, text_memory_ + text_begin_, text_end_ - text_begin_);
    bool idle_phase = c.phase == Phase::handshake || c.phase == Phase::head;
    if (idle_phase && (c.held_wire || c.held_text) &&
        shared_.memory.used_bytes() > shared_.memory.limit_bytes() + kHeldSlackBytes) {
      metrics_.memory_refused.add();
      c.dead = true;
    }
  }
  if (c.dead) close(c);
  return c.socket.get() >= 0;
}

void Worker::hold(HeldBytes& held, const std::byte* from, std::size_t size) {
  if (size == 0) return;
  held.bytes = std::make_unique_for_overwrite<std::byte[]>(size);
  std::memcpy(held.bytes.get(), from, size);
  held.size = size;
  held.ticket = shared_.memory.charge(size);
}

void Worker::drive(Connection& c, Response* first) {
  attach(c);
  if (first) begin_answer(c, std::move(*first));
  while (!c.dead && advance(c)) {
  }
  if (!c.dead && has_output(c)) flush(c);
  if (detach(c)) settle(c);
}

bool Worker::advance(Connection& c) {
  switch (c.phase) {
    case Phase::handshake: return shake_hands(c);
    case Phase::head: return next_request(c);
    case Phase::handling:
    case Phase::fetching: return false;
    case Phase::answering: return produce(c);
    case Phase::draining: return drain_body(c);
    case Phase::closing: return finish_closing(c);
    case Phase::lingering: return linger(c);
  }
  return false;
}

// Receives until `wire_limit` bytes lie unopened. True: something new, be it the end.
bool Worker::receive(Connection& c, std::size_t wire_limit) {
  std::size_t left = wire_.in_size();
  if (!c.readable || c.in_ended || left >= wire_limit) return false;
  if (left > 0 && wire_.in_begin != wire_memory_) {
    std::memmove(wire_memory_, wire_.in_begin, left);
  }
  wire_.in_begin = wire_memory_;
  wire_.in_end = wire_memory_ + left;
  std::size_t room = wire_limit - left;
  ssize_t count = 0;
  do {
    count = ::recv(c.socket.get(), wire_memory_ + left, room, 0);
  } while (count < 0 && errno == EINTR);
  if (count < 0) {
    c.readable = false;
    if (errno != EAGAIN) c.dead = true;
    return false;
  }
  if (count == 0) {
    c.readable = false;
    c.in_ended = wire_.in_ended = true;
    return true;
  }
  auto size = static_cast<std::size_t>(count);
  // A short count means that the socket is empty: the next arrival is a new event. But the end of
  // the stream was perhaps told already.
  if (size < room && !c.hangup) c.readable = false;
  wire_.in_end += size;
  turn_bytes_ += size;
  metrics_.bytes_in.add(size);
  return true;
}

Flow Worker::read_plain(Connection& c, MutableByteSpan into, std::size_t& got) {
  if (c.tls) return c.tls->read(into, got);
  got = std::min(into.size(), wire_.in_size());
  std::memcpy(into.data(), wire_.in_begin, got);
  wire_.in_begin += got;
  if (got == into.size()) return Flow::done;
  return wire_.in_ended ? Flow::ended : Flow::want_input;
}

// Decides by the first bytes what speaks. True: it is TLS.
bool Worker::first_bytes(Connection& c) {
  std::string_view start = as_text({wire_.in_begin, wire_.in_size()});
  start = start.substr(0, kFoolscapStart.size());
  if (start.front() == kTlsHandshakeRecord) return c.first_bytes_seen = true;
  if (start == kFoolscapStart) {
    metrics_.foolscap_refused.add();
    wire_.output().append(as_byte_span(kFoolscapRefusal));
    wire_.in_begin = wire_.in_end;
    c.close_sent = true;  // plain text: there is no TLS to close
    begin_close(c);
  } else if (!kFoolscapStart.starts_with(start) || c.in_ended) {
    metrics_.handshakes_failed.add();
    c.dead = true;
  }
  return false;
}

bool Worker::shake_hands(Connection& c) {
  if (!c.first_bytes_seen) {
    bool came = receive(c, kHeadReceiveBytes);
    if (wire_.in_size() == 0) {
      c.dead = c.dead || c.in_ended;
      return false;
    }
    if (!first_bytes(c)) return came || c.phase == Phase::closing;
    c.tls.emplace(*tls_, wire_);
  }
  switch (c.tls->handshake()) {
    case Flow::done:
      metrics_.handshakes.add();
      if (c.tls->resumed()) metrics_.handshakes_resumed.add();
      c.phase = Phase::head;
      return true;
    case Flow::want_input:
      if (has_output(c) && !flush(c)) return false;
      return receive(c, kHeadReceiveBytes);
    case Flow::ended:
    case Flow::failed: break;
  }
  metrics_.handshakes_failed.add();
  c.close_sent = true;  // an alert is all it gets
  return begin_close(c);
}

bool Worker::next_request(Connection& c) {
  if (turn_requests_ >= limits_.pipelined || turn_bytes_ >= limits_.turn_bytes) {
    schedule_again(c);
    return false;
  }
  // Room for the first record of an answer and for "100 Continue", even if the answer comes late.
  if (c.out && c.out->room() < 2 * kRecordBytes && !flush(c)) return false;
  std::string_view text = as_text({text_memory_ + text_begin_, text_end_ - text_begin_});
  if (text.empty()) return fill_text(c);
  // A head that came in pieces is parsed again only when it has an end (or is too long).
  if (c.head_scanned > 0 && text.size() < limits_.head_bytes &&
      !has_head_end(text, c.head_scanned)) {
    c.head_scanned = text.size();
    return fill_text(c);
  }
  Framing framing;
  ParseResult parsed = parse_head(text, limits_, request_, framing);
  switch (parsed.state) {
    case ParseState::more: c.head_scanned = text.size(); return fill_text(c);
    case ParseState::bad: return refuse(c, parsed.status);
    case ParseState::complete: break;
  }
  c.head_scanned = 0;
  text_begin_ += parsed.head_bytes;
  return take_request(c, text.substr(0, parsed.head_bytes), framing);
}

bool Worker::fill_text(Connection& c) {
  std::size_t size = text_end_ - text_begin_;
  if (size > 0 && text_begin_ > 0) std::memmove(text_memory_, text_memory_ + text_begin_, size);
  text_begin_ = 0;
  text_end_ = size;
  std::size_t got = 0;
  Flow flow = read_plain(c, {text_memory_ + size, kTextBytes - size}, got);
  text_end_ += got;
  if (got > 0) return true;
  if (flow != Flow::want_input) return end_of_input(c, flow);
  if (has_output(c) && !flush(c)) return false;
  if (receive(c, kHeadReceiveBytes)) return true;
  bool between = text_end_ == 0 && wire_.in_size() == 0 && !(c.tls && c.tls->holds_input());
  if (between && !c.dead && shared_.draining.load(std::memory_order_relaxed)) {
    return begin_close(c);
  }
  return false;
}

bool Worker::end_of_input(Connection& c, Flow flow) {
  if (flow == Flow::failed) c.close_sent = true;
  return begin_close(c);
}

bool Worker::take_request(Connection& c, std::string_view head, const Framing& framing) {
  ++turn_requests_;
  ++requests_;
  if (next_id_ == last_id_) {  // ids are unique in the process; taken in blocks
    static std::atomic<std::uint64_t> next_block{1};
    constexpr std::uint64_t kBlock = 1024;
    next_id_ = next_block.fetch_add(kBlock, std::memory_order_relaxed);
    last_id_ = next_id_ + kBlock;
  }
  request_.id = next_id_++;
  c.request_id = request_.id;
  c.method = request_.method;
  c.started = now_;
  c.status = 0;
  c.sent = 0;
  c.keep_alive = framing.keep_alive;
  c.http10 = framing.http10;
  c.body.left = framing.content_length;
  c.body.decoder = framing.chunked ? std::make_unique<ChunkedDecoder>() : nullptr;
  c.body.received = 0;
  c.body.finished = !framing.chunked && framing.content_length == 0;
  c.body.failed = false;
  c.body.continue_expected = framing.expects_continue;
  c.logged = logs_requests();
  if (c.logged) c.logged_path = loggable_path(request_.path);
  OpContext context(shared_.clock, now_ + limits::kRequestBudget, request_.id);
  try {
    if (auto response = shared_.handler.try_handle(request_, context)) {
      return begin_answer(c, std::move(*response));
    }
  } catch (const std::exception& error) {
    spdlog::error("request {}: the handler failed: {}", request_.id, error.what());
    Response failed = Response::empty(500);
    failed.close = true;
    return begin_answer(c, std::move(failed));
  }
  return start_handler(c, head, framing, context);
}

bool Worker::start_handler(Connection& c, std::string_view head, const Framing& framing,
                           OpContext context) {
  if (shared_.requests_in_flight.fetch_add(1, std::memory_order_relaxed) >=
      limits_.requests_in_flight) {
    shared_.requests_in_flight.fetch_sub(1, std::memory_order_relaxed);
    Response busy = Response::empty(503);
    busy.extra_headers = fmt::format("Retry-After: {}\r\n", limits_.retry_after.count());
    return begin_answer(c, std::move(busy));
  }
  metrics_.requests_running.add();
  c.input_idle = false;
  c.running = std::make_shared<RunningRequest>(*this, c.ref(), head, request_, framing);
  c.phase = Phase::handling;
  starts_.emplace_back([running = c.running, context] { running->start(context); });
  return false;
}

void Worker::handler_ended() {
  shared_.requests_in_flight.fetch_sub(1, std::memory_order_relaxed);
  metrics_.requests_running.subtract();
}

// Body bytes that are here, without receiving more.
Flow Worker::take_body(Connection& c, MutableByteSpan into, std::size_t& got) {
  got = 0;
  if (c.body.decoder) return take_chunks(c, into, got);
  into = into.first(static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), c.body.left)));
  std::size_t held = std::min(into.size(), text_end_ - text_begin_);
  std::memcpy(into.data(), text_memory_ + text_begin_, held);
  text_begin_ += held;
  Flow flow = Flow::done;
  if (held < into.size()) flow = read_plain(c, into.subspan(held), got);
  got += held;
  c.body.left -= got;
  c.body.received += got;
  c.body.finished = c.body.left == 0;
  return flow;
}

Flow Worker::take_chunks(Connection& c, MutableByteSpan into, std::size_t& got) {
  while (!c.body.finished && !c.body.failed && got < into.size()) {
    if (text_begin_ == text_end_) {
      std::size_t count = 0;
      Flow flow = read_plain(c, {text_memory_, kTextBytes}, count);
      text_begin_ = 0;
      text_end_ = count;
      if (count == 0) return flow;
    }
    auto step = c.body.decoder->decode({text_memory_ + text_begin_, text_end_ - text_begin_},
                                       into.subspan(got));
    text_begin_ += step.consumed;
    got += step.produced;
    c.body.received += step.produced;
    c.body.finished = c.body.decoder->finished();
    c.body.failed = c.body.decoder->failed();
  }
  return Flow::done;
}

bool Worker::drain_body(Connection& c) {
  if (c.body.finished) {
    timeouts_.disarm(c);
    c.phase = Phase::head;
    return true;
  }
  if (c.body.failed || c.body.received > limits_.drain_bytes) return begin_close(c);
  std::size_t got = 0;
  Flow flow = take_body(c, {source_memory_, kSourceBytes}, got);
  if (got > 0 || c.body.finished || c.body.failed) return true;
  if (flow != Flow::want_input) return end_of_input(c, flow);
  if (has_output(c) && !flush(c)) return false;
  return receive(c, kHeadReceiveBytes);
}

bool Worker::body_finished(const RunningRequest& request) {
  Connection* c = find(request.connection());
  return c && c->body.finished;
}

bool Worker::body_may_have_input(const RunningRequest& request) {
  Connection* c = find(request.connection());
  return !c || !c->input_idle || c->body.failed;
}

Result<std::optional<Bytes>> Worker::read_body(const RunningRequest& request,
                                               MemoryBudget::Ticket ticket) {
  Connection* c = find(request.connection());
  if (!c) return fail(Errc::cancelled, "the client went away");
  Turn turn(*this);
  attach(*c);
  auto piece = read_attached(*c, std::move(ticket), Receiving::yes);
  if (!detach(*c)) return fail(Errc::cancelled, "the client went away");
  return piece;
}

Result<std::optional<Bytes>> Worker::read_held_body(const RunningRequest& request,
                                                    std::size_t max_bytes) {
  Connection* c = find(request.connection());
  if (!c) return fail(Errc::cancelled, "the client went away");
  const std::size_t held = c->held_wire.size + c->held_text.size;
  if (held == 0) return std::nullopt;
  Turn turn(*this);
  attach(*c);
  auto piece = read_attached(*c, shared_.memory.charge(std::min(max_bytes, held)), Receiving::no);
  if (!detach(*c)) return fail(Errc::cancelled, "the client went away");
  return piece;
}

// An upper bound of the plaintext that can be had without receiving more.
std::size_t Worker::available(const Connection& c) const {
  std::size_t bytes = text_end_ - text_begin_ + wire_.in_size();
  if (c.tls && c.tls->holds_input()) bytes += kPlainBytes;
  return bytes;
}

Result<std::optional<Bytes>> Worker::read_attached(Connection& c, MemoryBudget::Ticket ticket,
                                                   Receiving receiving) {
  if (c.body.continue_expected) send_continue(c);
  const bool may_receive = receiving == Receiving::yes;
  std::size_t wire_limit = ticket.bytes() + kBodyReceiveSlack;
  if (may_receive && available(c) < ticket.bytes()) receive(c, wire_limit);
  std::size_t size = std::min(ticket.bytes(), available(c));
  if (!c.body.decoder) {
    size = static_cast<std::size_t>(std::min<std::uint64_t>(size, c.body.left));
  }
  std::size_t total = 0;
  Flow flow = Flow::want_input;
  std::shared_ptr<PieceOwner> owner;
  if (size > 0) {
    owner = std::make_shared<PieceOwner>();
    owner->bytes = std::make_unique_for_overwrite<std::byte[]>(size);
    ticket.shrink_to(size);
    owner->ticket = std::move(ticket);
  }
  while (total < size && !c.body.finished && !c.body.failed) {
    std::size_t got = 0;
    flow = take_body(c, {owner->bytes.get() + total, size - total}, got);
    total += got;
    if (flow == Flow::want_input && (total > 0 || !may_receive || !receive(c, wire_limit))) break;
    if (flow == Flow::ended || flow == Flow::failed) break;
  }
  if (total > 0) {
    ByteSpan view(owner->bytes.get(), total);
    return Bytes(std::move(owner), view);
  }
  if (c.body.finished) return Bytes();
  if (c.body.failed) return fail(Errc::invalid_argument, "the request body has bad chunks");
  bool over = flow == Flow::ended || flow == Flow::failed || c.in_ended;
  if (over) c.dead = true;  // the client will send no more of what it announced
  if (may_receive) c.input_idle = !c.readable;
  return std::nullopt;
}

void Worker::arm_body_timeout(const RunningRequest& request) {
  if (Connection* c = find(request.connection())) {
    refresh_time();
    timeouts_.arm(*c, TimeoutKind::body, now_);
  }
}

void Worker::disarm_body_timeout(const RunningRequest& request) {
  Connection* c = find(request.connection());
  if (c && c->kind == TimeoutKind::body) timeouts_.disarm(*c);
}

bool Worker::too_slow(const RunningRequest& request, Duration waited) {
  Connection* c = find(request.connection());
  if (!c) return false;
  auto earned =
      std::chrono::seconds(c->body.received / std::max<std::size_t>(limits_.rate_floor_bytes, 1));
  return waited > limits_.stall + earned;
}

void Worker::fail_body(const RunningRequest& request) {
  if (Connection* c = find(request.connection())) c->body.failed = true;
}

}  // namespace sharestore::http
