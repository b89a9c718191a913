#include "bench/load/client.h"

#include <sys/epoll.h>

#include <algorithm>

namespace sharestore::load {
namespace {

constexpr std::size_t kRecordBytes = 16 * 1024;

}  // namespace

Client::Client(const TlsClientContext& context, Scratch& scratch, const Plan& plan,
               ClientOptions options, const ScriptSource& source, RunState& run, Tally& tally,
               std::uint64_t number)
    : plan_(plan),
      options_(options),
      source_(source),
      run_(run),
      tally_(tally),
      number_(number),
      socket_(context, scratch) {
  take_body_ = [this](ByteSpan piece) {
    if (request_.expects_share) {
      const std::uint64_t offset = request_.expected_offset + answer_.body_bytes;
      answer_.matches =
          answer_.matches && plan_.content.matches(request_.expected_share, offset, piece);
    } else if (answer_.text.size() < Answer::kMaxTextBytes) {
      answer_.text.append(as_text(piece));
    }
    answer_.body_bytes += piece.size();
  };
}

void Client::start(int epoll, std::uint64_t tag) {
  epoll_ = epoll;
  tag_ = tag;
  last_progress_ = Time::now();
  if (!source_.one_operation_each) script_ = source_.make(number_);
  work();
}

void Client::on_events(unsigned events) {
  socket_.note_events(events);
  last_progress_ = Time::now();
  work();
}

void Client::on_tick(Time::time_point now) {
  if (state_ == State::idle && run_.stopping.load(std::memory_order_relaxed)) return end();
  if (state_ == State::over || state_ == State::idle) return;
  if (now - last_progress_ < options_.stall) return;
  failed("nothing came for too long");
  last_progress_ = now;
  work();
}

void Client::work() {
  while (step()) {
  }
}

// False: waits for an event, or over.
bool Client::step() {
  switch (state_) {
    case State::closed: return connect();
    case State::handshake:
      switch (socket_.handshake()) {
        case TlsSocket::Flow::done: return connected();
        case TlsSocket::Flow::blocked: return false;
        default: failed(socket_.error()); return true;
      }
    case State::exchange: {
      const bool sent = send_more();
      return receive_more() || sent;
    }
    case State::idle:
    case State::shutting: return receive_more();
    case State::over: break;
  }
  return false;
}

bool Client::connect() {
  if (options_.mode != Mode::idle && !in_operation_ && !begin_operation()) return false;
  if (!socket_.open(plan_.target, options_.mode == Mode::resume ? session_ : nullptr)) {
    failed(socket_.error());
    end();  // no descriptor or no port: trying again would not help
    return false;
  }
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.u64 = tag_;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, socket_.descriptor(), &event);
  state_ = State::handshake;
  return true;
}

bool Client::connected() {
  ++tally_.connects;
  if (socket_.resumed()) ++tally_.resumed;
  counted_ = true;
  run_.connected.fetch_add(1, std::memory_order_relaxed);
  switch (options_.mode) {
    case Mode::idle: state_ = State::idle; return true;
    case Mode::handshake:
    case Mode::resume:
      state_ = State::shutting;
      if (socket_.shut() == TlsSocket::Flow::failed) failed(socket_.error());
      return true;
    default: break;
  }
  state_ = State::exchange;
  begin_request();
  return true;
}

// False: there is nothing more to do.
bool Client::begin_operation() {
  const std::uint64_t operation = run_.begun.fetch_add(1, std::memory_order_relaxed);
  bool wanted = !run_.stopping.load(std::memory_order_relaxed) &&
                (run_.max_operations == 0 || operation < run_.max_operations);
  if (wanted && source_.one_operation_each) {
    script_ = source_.make(operation);
    wanted = script_ != nullptr;
  }
  if (!wanted) {
    end();
    return false;
  }
  in_operation_ = true;
  operation_began_ = Time::now();
  return true;
}

void Client::begin_request() {
  script_->next(request_);
  answer_.status = 0;
  answer_.body_bytes = 0;
  answer_.matches = true;
  answer_.text.clear();
  reader_.reset();
  body_sent_ = 0;
  answering_ = true;
  socket_.write(as_byte_span(request_.head));
}

// True: something was sealed or sent.
bool Client::send_more() {
  bool moved = false;
  while (answering_ && body_sent_ < request_.body_bytes) {
    const auto left = std::min<std::uint64_t>(request_.body_bytes - body_sent_, kRecordBytes);
    const ByteSpan piece = plan_.content.at(request_.body_share, request_.body_offset + body_sent_,
                                            static_cast<std::size_t>(left));
    if (!socket_.write(piece)) {
      const TlsSocket::Flow sent = socket_.flush();
      if (sent == TlsSocket::Flow::failed) return false;  // reading will tell why
      if (sent == TlsSocket::Flow::blocked) return moved;
      continue;
    }
    body_sent_ += piece.size();
    moved = true;
  }
  if (socket_.has_output()) moved = socket_.flush() == TlsSocket::Flow::done || moved;
  return moved;
}

// Reads until there is nothing: the scratch memory is the next client's then. True: go on.
bool Client::receive_more() {
  for (;;) {
    ByteSpan bytes;
    switch (socket_.read(bytes)) {
      case TlsSocket::Flow::blocked: return false;
      case TlsSocket::Flow::ended: return connection_ended();
      case TlsSocket::Flow::failed: failed(socket_.error()); return true;
      case TlsSocket::Flow::done: break;
    }
    if (!answering_) {
      failed("bytes that nobody asked for");
      return true;
    }
    if (auto good = reader_.feed(bytes, take_body_); !good) {
      failed(good.error().message());
      return true;
    }
    if (reader_.complete() && answer_complete()) return true;
  }
}

// True: another state, or another request was sealed.
bool Client::answer_complete() {
  answering_ = false;
  answer_.status = reader_.status();
  if (run_.measuring.load(std::memory_order_relaxed)) ++tally_.requests;
  Verdict verdict = script_->answered(answer_);
  const bool whole = body_sent_ == request_.body_bytes;
  if (!whole && verdict.error.empty()) {
    verdict.operation_done = true;
    verdict.error = "an answer before the whole body was sent";
  }
  if (verdict.operation_done) operation_done(verdict);
  if (reader_.closes() || !whole) disconnect();
  if (verdict.operation_done && !begin_operation()) return true;
  if (state_ != State::exchange) return true;
  begin_request();
  send_more();
  return false;
}

bool Client::connection_ended() {
  if (state_ == State::shutting) {
    if (options_.mode == Mode::resume && socket_.session()) session_ = socket_.session();
    operation_done({true, 0, {}});
    disconnect();
    return true;
  }
  if (state_ == State::exchange && answering_ && reader_.begun() && reader_.end()) {
    answer_complete();
    if (state_ == State::exchange) disconnect();
    return true;
  }
  failed(state_ == State::idle ? "the server closed an idle connection"
                               : "the server closed the connection");
  if (state_ == State::closed && options_.mode == Mode::idle) end();
  return true;
}

void Client::operation_done(const Verdict& verdict) {
  in_operation_ = false;
  answering_ = false;
  run_.finished.fetch_add(1, std::memory_order_relaxed);
  if (!verdict.error.empty()) {
    ++tally_.errors;
    if (tally_.first_error.empty()) tally_.first_error = verdict.error;
    return;
  }
  if (!run_.measuring.load(std::memory_order_relaxed)) return;
  const auto took = Time::now() - operation_began_;
  tally_.latency.add(static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(took).count()));
  ++tally_.operations;
  tally_.payload_bytes += verdict.payload_bytes;
}

// The operation in progress has failed; the connection cannot be used any more.
void Client::failed(const std::string& what) {
  operation_done({true, 0, what});
  disconnect();
  if (!source_.one_operation_each) script_ = source_.make(number_);  // from its beginning
}

void Client::disconnect() {
  socket_.close();
  if (std::exchange(counted_, false)) run_.connected.fetch_sub(1, std::memory_order_relaxed);
  answering_ = false;
  state_ = State::closed;
}

void Client::end() {
  disconnect();
  state_ = State::over;
}

}  // namespace sharestore::load
