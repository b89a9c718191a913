#include "storage_server/http/running_request.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <functional>

#include "backends/core/limits.h"
#include "storage_server/http/worker.h"

namespace sharestore::http {

namespace asio = boost::asio;

namespace {

// When memory is short, a body is read in smaller pieces.
constexpr std::size_t kScarcePieceBytes = 64 * 1024;

std::string_view rebased(std::string_view part, std::string_view from, std::string_view to) {
  // Text that does not lie in the head is a constant ("/").
  std::less<const char*> before;
  if (part.empty() || before(part.data(), from.data())) return part;
  if (!before(part.data(), from.data() + from.size())) return part;
  return to.substr(static_cast<std::size_t>(part.data() - from.data()), part.size());
}

}  // namespace

RunningRequest::RunningRequest(Worker& worker, ConnectionRef connection, std::string_view text,
                               const Request& request, const Framing& framing)
    : worker_(worker),
      connection_(connection),
      text_(text),
      request_(request),
      framing_(framing),
      event_(worker.io_context()) {
  event_.expires_at(Monotonic::max());
  auto move = [&](std::string_view& part) { part = rebased(part, text, text_); };
  move(request_.method_text);
  move(request_.path);
  move(request_.query);
  for (HeaderLine& line : request_.headers) {
    move(line.name);
    move(line.value);
  }
}

RunningRequest::~RunningRequest() { worker_.handler_ended(); }

void RunningRequest::start(OpContext context) {
  if (gone_) return;
  asio::co_spawn(worker_.io_context(), run(shared_from_this(), context),
                 asio::bind_cancellation_slot(cancel_.slot(),
                                              [self = shared_from_this()](std::exception_ptr) {}));
}

asio::awaitable<void> RunningRequest::run(std::shared_ptr<RunningRequest> self, OpContext context) {
  // A cancelled handler sees Errc::cancelled from what it waits for; nothing is thrown at it.
  co_await asio::this_coro::throw_if_cancelled(false);
  Response response;
  try {
    response = co_await self->worker_.handler().handle(self->request_, *self, context);
  } catch (const std::exception& error) {
    spdlog::error("request {}: the handler failed: {}", self->request_.id, error.what());
    response = Response::empty(500);
    response.close = true;
  }
  self->worker_.complete(*self, std::move(response));
}

void RunningRequest::abandon() {
  gone_ = true;
  event_.cancel();
  cancel_.emit(asio::cancellation_type::terminal);
}

void RunningRequest::wake() {
  if (waiting_) event_.cancel();
}

void RunningRequest::stall() {
  stalled_ = true;
  wake();
}

std::optional<std::uint64_t> RunningRequest::length() const {
  if (framing_.chunked) return std::nullopt;
  return framing_.content_length;
}

asio::awaitable<void> RunningRequest::wait_for_client() {
  Monotonic since = worker_.clock().now();
  waiting_ = true;
  worker_.arm_body_timeout(*this);
  co_await event_.async_wait(asio::as_tuple(asio::use_awaitable));
  waiting_ = false;
  waited_ += worker_.clock().now() - since;
  if (!gone_) worker_.disarm_body_timeout(*this);
}

Task<Bytes> RunningRequest::read(std::size_t max_bytes) {
  std::size_t want = std::clamp<std::size_t>(max_bytes, 1, kBodyPieceBytes);
  for (;;) {
    if (gone_) co_return fail(Errc::cancelled, "the client went away");
    if (stalled_ || worker_.too_slow(*this, waited_)) {
      worker_.fail_body(*this);
      co_return fail(Errc::timed_out, "the client sent its request body too slowly");
    }
    if (worker_.body_finished(*this)) co_return Bytes();
    if (!worker_.body_may_have_input(*this)) {
      co_await wait_for_client();
      continue;
    }
    auto ticket = worker_.memory().try_acquire(want);
    if (!ticket) {
      want = std::min(want, kScarcePieceBytes);
      auto held = worker_.read_held_body(*this, want);
      if (!held) co_return fail(held.error());
      if (*held) co_return std::move(**held);
      Clock& clock = worker_.clock();
      OpContext budget(clock, clock.now() + limits::kRequestBudget, request_.id);
      auto waited_for = co_await worker_.memory().acquire(want, budget);
      if (gone_) co_return fail(Errc::cancelled, "the client went away");
      if (!waited_for) {
        co_return fail(Errc::busy, "no memory for a request body: " + waited_for.error().message());
      }
      ticket = std::move(*waited_for);
    }
    auto piece = worker_.read_body(*this, std::move(*ticket));
    if (!piece) co_return fail(piece.error());
    if (*piece) co_return std::move(**piece);
  }
}

BodyFetch::BodyFetch(Worker& worker, ConnectionRef connection, std::shared_ptr<BodySource> source,
                     std::uint64_t offset, std::size_t max_bytes)
    : worker_(worker),
      connection_(connection),
      source_(std::move(source)),
      offset_(offset),
      max_bytes_(max_bytes) {}

void BodyFetch::start() {
  if (gone_) return;
  asio::co_spawn(worker_.io_context(), run(shared_from_this()),
                 asio::bind_cancellation_slot(cancel_.slot(),
                                              [self = shared_from_this()](std::exception_ptr) {}));
}

asio::awaitable<void> BodyFetch::run(std::shared_ptr<BodyFetch> self) {
  co_await asio::this_coro::throw_if_cancelled(false);
  Result<Bytes> piece = fail(Errc::cancelled, "not read");
  try {
    piece = co_await self->source_->read(self->offset_, self->max_bytes_);
  } catch (const std::exception& error) {
    piece = fail(Errc::io_error, error.what());
  }
  self->worker_.fetched(self->connection_, std::move(piece));
}

void BodyFetch::abandon() {
  gone_ = true;
  cancel_.emit(asio::cancellation_type::terminal);
}

}  // namespace sharestore::http
