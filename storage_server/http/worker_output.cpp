// Worker: answers to bytes on the socket, and the end of a connection.
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "storage_server/http/running_request.h"
#include "storage_server/http/worker.h"
#include "storage_server/http/worker_memory.h"

namespace sharestore::http {
namespace {

constexpr std::size_t kSpareAnswers = 16;

}  // namespace

// An answer to what could not be taken as a request; nothing that follows can be trusted.
bool Worker::refuse(Connection& c, int status) {
  text_begin_ = text_end_;
  wire_.in_begin = wire_.in_end;
  c.method = Method::other;
  c.logged = logs_requests();
  c.logged_path.clear();
  c.request_id = 0;
  c.started = now_;
  c.sent = 0;
  c.keep_alive = false;
  c.body.finished = true;
  Response response = Response::empty(status);
  return begin_answer(c, std::move(response));
}

// Whether the connection can serve another request once the rest of this one's body is gone.
bool Worker::may_keep(const Connection& c) const {
  if (shared_.draining.load(std::memory_order_relaxed)) return false;
  if (c.body.finished) return true;
  if (c.body.failed || c.body.continue_expected) return false;
  return c.body.decoder || c.body.left <= limits_.drain_bytes;
}

bool Worker::begin_answer(Connection& c, Response response) {
  std::uint64_t size = response.stream ? response.stream->size() : response.body.size();
  c.keep_alive = c.keep_alive && !response.close && may_keep(c);
  Persistence persistence = !c.keep_alive ? Persistence::close
                            : c.http10    ? Persistence::keep_alive
                                          : Persistence::implied;
  writer_.head(head_text_, response, size, persistence);
  if (response.status < 200 || response.status > 599 || head_text_.size() > kPlainBytes) {
    spdlog::error("request {}: the handler's answer ({}) has no valid head", c.request_id,
                  response.status);
    response = Response::empty(500);
    size = 0;
    c.keep_alive = false;
    writer_.head(head_text_, response, size, Persistence::close);
  }
  c.status = response.status;
  c.stalled = {};
  c.flushed_at_start = c.flushed;
  c.body.received = 0;  // from here on it counts what is drained
  bool without_body = c.method == Method::head || c.status == 204 || c.status == 304;
  if (without_body) size = 0;

  // The head and the first bytes of the body share a record.
  std::size_t head_bytes = head_text_.size();
  auto first = static_cast<std::size_t>(std::min<std::uint64_t>(size, kPlainBytes - head_bytes));
  std::memcpy(source_memory_, head_text_.data(), head_bytes);
  if (first > 0 && response.stream) {
    first = response.stream->read_now(0, {source_memory_ + head_bytes, first}).value_or(0);
  } else if (first > 0) {
    std::memcpy(source_memory_ + head_bytes, response.body.data(), first);
  }
  if (!write(c, {source_memory_, head_bytes + first})) return false;
  c.sent = first;
  if (first == size) return finish_answer(c);
  if (spare_answers_.empty()) {
    c.answer = std::make_unique<PendingAnswer>();
  } else {
    c.answer = std::move(spare_answers_.back());
    spare_answers_.pop_back();
  }
  c.answer->body = std::move(response.body);
  c.answer->stream = std::move(response.stream);
  c.answer->offset = first;
  c.answer->size = size;
  c.phase = Phase::answering;
  return true;
}

// Seals records until the buffer is full, sends them in one call, and so on.
bool Worker::produce(Connection& c) {
  while (!c.dead) {
    if (c.answer->offset == c.answer->size) return finish_answer(c);
    if (c.out && !c.out->takes_record()) {
      if (!flush(c)) return false;
      if (turn_bytes_ >= limits_.turn_bytes) {
        schedule_again(c);
        return false;
      }
    }
    if (!produce_piece(c)) return false;
  }
  return false;
}

// Plaintext that fits the output buffer as records.
std::size_t Worker::sealable(const Connection& c) const {
  return c.out->room() / kRecordBytes * kPlainBytes;
}

bool Worker::produce_piece(Connection& c) {
  PendingAnswer& answer = *c.answer;
  wire_.output();
  auto count = static_cast<std::size_t>(
      std::min<std::uint64_t>(answer.size - answer.offset, std::min(sealable(c), kSourceBytes)));
  ByteSpan piece;
  if (!answer.stream) {
    piece = answer.body.span().subspan(static_cast<std::size_t>(answer.offset), count);
  } else if (!answer.chunk.empty()) {
    count = std::min(count, answer.chunk.size());
    piece = answer.chunk.span().first(count);
  } else if (auto got = answer.stream->read_now(answer.offset, {source_memory_, count})) {
    if (*got == 0 || *got > count) {
      spdlog::error("request {}: a body source gave {} of {} bytes", c.request_id, *got, count);
      c.dead = true;
      return false;
    }
    count = *got;
    piece = {source_memory_, count};
  } else {
    return start_fetch(c);
  }
  if (!write(c, piece)) return false;
  if (answer.stream && !answer.chunk.empty()) {
    answer.chunk = count == answer.chunk.size()
                       ? Bytes()
                       : answer.chunk.slice(count, answer.chunk.size() - count);
  }
  answer.offset += count;
  c.sent += count;
  return true;
}

bool Worker::start_fetch(Connection& c) {
  PendingAnswer& answer = *c.answer;
  auto most =
      static_cast<std::size_t>(std::min<std::uint64_t>(answer.size - answer.offset, kFetchBytes));
  c.fetch = std::make_shared<BodyFetch>(*this, c.ref(), answer.stream, answer.offset, most);
  c.phase = Phase::fetching;
  starts_.emplace_back([fetch = c.fetch] { fetch->start(); });
  return false;
}

void Worker::fetched(ConnectionRef connection, Result<Bytes> piece) {
  Connection* c = find(connection);
  if (!c || c->phase != Phase::fetching) return;
  Turn turn(*this);
  c->fetch.reset();
  std::uint64_t left = c->answer->size - c->answer->offset;
  if (!piece || piece->empty() || piece->size() > left) {
    // The head promised more: only a connection that breaks off tells the client.
    spdlog::warn("request {}: answer cut off: {}", c->request_id,
                 piece ? "the source gave a wrong size" : piece.error().message());
    return close(*c);
  }
  c->answer->chunk = std::move(*piece);
  c->phase = Phase::answering;
  drive(*c);
}

void Worker::complete(RunningRequest& request, Response response) {
  Connection* c = find(request.connection());
  if (!c || c->running.get() != &request) return;
  Turn turn(*this);
  c->running.reset();
  drive(*c, &response);
}

bool Worker::finish_answer(Connection& c) {
  metrics_.answers[static_cast<std::size_t>(c.status - 100)].add();
  if (c.logged) log_request(c, /*complete=*/true);
  c.request_id = 0;
  if (c.answer) {
    *c.answer = PendingAnswer{};
    if (spare_answers_.size() < kSpareAnswers) spare_answers_.push_back(std::move(c.answer));
    c.answer.reset();
  }
  timeouts_.disarm(c);
  if (!c.keep_alive) return begin_close(c);
  c.phase = c.body.finished ? Phase::head : Phase::draining;
  return true;
}

bool Worker::write(Connection& c, ByteSpan bytes) {
  bool fits = true;
  if (c.tls) {
    fits = c.tls->write(bytes);
  } else {
    Buffer& out = wire_.output();
    fits = out.room() >= bytes.size();
    if (fits) out.append(bytes);
  }
  if (!fits) c.dead = true;
  return fits;
}

// Sends what is sealed. False: the socket is full, or the connection died.
bool Worker::flush(Connection& c) {
  if (c.blocked) return false;
  while (has_output(c)) {
    ssize_t count = ::send(c.socket.get(), c.out->data(), c.out->size(), MSG_NOSIGNAL);
    if (count < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) {
        c.dead = true;
        return false;
      }
      auto earned = std::chrono::seconds((c.flushed - c.flushed_at_start) /
                                         std::max<std::size_t>(limits_.rate_floor_bytes, 1));
      if (c.stalled > limits_.stall + earned) {
        metrics_.timeouts.add();
        c.dead = true;
        return false;
      }
      c.blocked = true;
      c.blocked_since = now_;
      return false;
    }
    auto size = static_cast<std::size_t>(count);
    c.out->consume(size);
    c.flushed += size;
    turn_bytes_ += size;
    metrics_.bytes_out.add(size);
  }
  buffers_.put(std::move(c.out));
  return true;
}

void Worker::send_continue(Connection& c) {
  c.body.continue_expected = false;
  if (write(c, as_byte_span(kContinueHead))) flush(c);
}

bool Worker::begin_close(Connection& c) {
  c.phase = Phase::closing;
  return true;
}

bool Worker::finish_closing(Connection& c) {
  if (!std::exchange(c.close_sent, true) && c.tls) c.tls->shutdown();
  if (has_output(c) && !flush(c)) return false;
  if (c.hangup && !c.in_ended) {
    wire_.in_begin = wire_.in_end;
    receive(c, kWireBytes);
  }
  if (c.in_ended) {  // everything was received: a close sends no reset
    c.dead = true;
    return false;
  }
  // Closing now, with bytes of the client unread, would make the kernel send a reset that can
  // overtake our last answer. So only our side is shut, and the client given time to read.
  ::shutdown(c.socket.get(), SHUT_WR);
  c.tls.reset();
  text_begin_ = text_end_ = 0;
  wire_.in_begin = wire_.in_end;
  c.lingered = 0;
  c.phase = Phase::lingering;
  active_.fetch_sub(1, std::memory_order_release);
  return true;
}

bool Worker::linger(Connection& c) {
  if (!c.in_ended && c.readable && turn_bytes_ >= limits_.turn_bytes) {
    schedule_again(c);
    return false;
  }
  wire_.in_begin = wire_.in_end = wire_memory_;
  bool came = receive(c, kWireBytes);
  c.lingered += wire_.in_size();
  wire_.in_end = wire_.in_begin;
  if (c.in_ended || c.lingered > limits_.linger_bytes) c.dead = true;
  return came;
}

}  // namespace sharestore::http
