#include "backends/http/endpoint.h"

#include <fmt/format.h>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <mutex>
#include <utility>

#include "backends/core/log.h"
#include "backends/core/memory_budget.h"
#include "backends/http/request_limiter.h"

namespace sharestore::http_client {

namespace asio = boost::asio;

namespace {

struct Attempt {
  HttpResponse response;
  Judgement judgement;
  std::optional<std::chrono::seconds> asked_for;
  // The request may have been executed although its error does not say so.
  bool doubtful = false;
  // It came as far as the network.
  bool tried = false;

  static Attempt failed(Error error) {
    Attempt attempt;
    attempt.judgement.error = std::move(error);
    return attempt;
  }
};

// Failures after which the store cannot be said to work for us.
bool is_trouble(Errc code) {
  switch (code) {
    case Errc::unavailable:
    case Errc::busy:
    case Errc::timed_out:
    case Errc::unauthorized:
    case Errc::forbidden:
    case Errc::io_error: return true;
    default: return false;
  }
}

Errc code_of_status(int status) {
  switch (status) {
    case 401: return Errc::unauthorized;
    case 403: return Errc::forbidden;
    case 404: return Errc::not_found;
    case 409:
    case 412: return Errc::conflict;
    case 413: return Errc::too_large;
    case 429:
    case 503: return Errc::busy;
    case 501: return Errc::unsupported;
    case 507: return Errc::no_space;
    default: return status >= 500 ? Errc::unavailable : Errc::io_error;
  }
}

}  // namespace

Judgement judge_status(const HttpResponse& response, Effect effect, const std::string& what) {
  if (response.status < 300) return {};
  const Errc code = code_of_status(response.status);
  // 503 is said before anything was done; behind the others the change may have happened.
  const bool doubtful = code == Errc::unavailable && effect != Effect::none;
  return {classify_status(response.status, effect != Effect::once),
          Error(code, fmt::format("{}: the store answered {}", what, response.status), !doubtful)};
}

struct Endpoint::State {
  State(asio::any_io_executor executor, IoPool& pool, EndpointOptions given)
      : options(std::move(given)),
        client(std::move(executor), pool, options.http),
        limiter(options.max_requests),
        arriving(options.max_arriving_bytes) {}

  asio::awaitable<Attempt> attempt(OpContext context, const EndpointCall& call);
  std::size_t room_for(const HttpRequest& request) const;
  void answered(const EndpointCall& call, Attempt& attempt, Clock& clock);
  // The error with the store's name for the request.
  Error named(Error error, const HttpResponse& response) const;
  void ended(const std::optional<Error>& error, Clock& clock);
  // Whether another attempt is due, after having waited for it.
  asio::awaitable<bool> wait_for_next(OpContext context, const Attempt& attempt,
                                      RetryPolicy& policy, int& corrections);
  static Task<HttpResponse> run(std::shared_ptr<State> state, OpContext context, EndpointCall call);

  const EndpointOptions options;
  HttpClient client;
  RequestLimiter limiter;
  MemoryBudget arriving;
  RetryBudget budget;
  ClockOffset offset;

  mutable std::mutex mutex;
  EndpointStatus status;
  bool closed = false;
};

Error Endpoint::State::named(Error error, const HttpResponse& response) const {
  std::string names;
  for (const std::string& header : options.request_id_headers) {
    const std::string_view value = response.header(header);
    if (!value.empty()) names += fmt::format("{}{} {}", names.empty() ? "" : ", ", header, value);
  }
  if (names.empty()) return error;
  return {error.code(), fmt::format("{} ({})", error.message(), names), error.outcome_known()};
}

void Endpoint::State::answered(const EndpointCall& call, Attempt& attempt, Clock& clock) {
  const HttpResponse& response = attempt.response;
  if (const auto warning = offset.learn(response, options.origin, clock.utc_now())) {
    log::warning("{}", *warning);
  }
  attempt.judgement =
      call.judge ? call.judge(response) : judge_status(response, call.effect, call.what);
  auto& error = attempt.judgement.error;
  if (error) {
    error = named(std::move(*error), response);
    attempt.asked_for = retry_after(response);
    attempt.doubtful = call.effect != Effect::none && response.repeated;
  }
  const bool throttled = attempt.judgement.verdict == Verdict::throttle;
  if (throttled) {
    limiter.throttled(clock.now());
  } else if (attempt.judgement.verdict == Verdict::final) {
    limiter.served();
  }
  const std::lock_guard hold(mutex);
  status.throttles += throttled ? 1 : 0;
  status.bytes_out += response.sent_bytes;
  status.bytes_in += response.body.size();
}

// Never more than there is: a longer answer waits until all others have arrived.
std::size_t Endpoint::State::room_for(const HttpRequest& request) const {
  const std::size_t usual = request.usual_response_bytes;
  return std::min(usual != 0 ? usual : request.max_response_bytes, options.max_arriving_bytes);
}

asio::awaitable<Attempt> Endpoint::State::attempt(OpContext context, const EndpointCall& call) {
  auto permit = co_await limiter.acquire(context);
  if (!permit) co_return Attempt::failed(std::move(permit.error()));
  auto request = co_await call.prepare(context, offset.corrected(context.clock().utc_now()));
  if (!request) co_return Attempt::failed(std::move(request.error()));
  if (request->ca_file.empty()) request->ca_file = options.ca_file;
  auto room = co_await arriving.acquire(room_for(*request), context);
  if (!room) co_return Attempt::failed(std::move(room.error()));
  {
    const std::lock_guard hold(mutex);
    ++status.requests;
  }
  auto outcome = co_await client.send(context, std::move(*request));
  Attempt attempt;
  attempt.tried = true;
  if (outcome) {
    attempt.response = std::move(*outcome);
    answered(call, attempt, context.clock());
    co_return attempt;
  }
  const HttpFailure& failure = outcome.error();
  attempt.judgement.verdict = classify(failure, call.effect != Effect::once);
  attempt.judgement.error = to_error(failure).with_context(call.what);
  attempt.doubtful = failure.sent;
  co_return attempt;
}

asio::awaitable<bool> Endpoint::State::wait_for_next(OpContext context, const Attempt& attempt,
                                                     RetryPolicy& policy, int& corrections) {
  const Verdict verdict = attempt.judgement.verdict;
  if (!attempt.judgement.error || verdict == Verdict::final) co_return false;
  if (verdict == Verdict::corrected) {
    if (++corrections > kMaxCorrections || context.expired()) co_return false;
  } else {
    const auto pause = policy.next_pause(context, attempt.asked_for);
    const Monotonic now = context.clock().now();
    if (!pause || !budget.take(now)) co_return false;
    log::debug("{}; attempt {} follows in {} ms", attempt.judgement.error->message(),
               policy.attempts(),
               std::chrono::duration_cast<std::chrono::milliseconds>(*pause).count());
    co_await context.clock().sleep_until(now + *pause);
  }
  const std::lock_guard hold(mutex);
  if (!closed) ++status.retries;
  co_return !closed;
}

void Endpoint::State::ended(const std::optional<Error>& error, Clock& clock) {
  const bool trouble = error && is_trouble(error->code());
  bool was_answering = true;
  {
    const std::lock_guard hold(mutex);
    if (error) {
      status.last_error = error->message();
      status.last_error_at = clock.utc_now();
    }
    // Who gave up says nothing of the store.
    if (error && error->code() == Errc::cancelled) return;
    was_answering = std::exchange(status.answering, !trouble);
  }
  if (trouble && was_answering)
    log::warning("the store {} fails: {}", options.origin, error->message());
  if (!trouble && !was_answering) log::info("the store {} works again", options.origin);
}

Task<HttpResponse> Endpoint::State::run(std::shared_ptr<State> state, OpContext context,
                                        EndpointCall call) {
  RetryPolicy policy(state->options.retry);
  state->budget.request_begun();
  int corrections = 0;
  bool doubtful = false;
  while (true) {
    Attempt attempt = Attempt::failed({Errc::cancelled, call.what + " was cancelled"});
    const auto cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() == asio::cancellation_type::none) {
      attempt = co_await state->attempt(context, call);
    }
    const std::optional<Error>& error = attempt.judgement.error;
    if (error) doubtful |= attempt.doubtful || !error->outcome_known();
    if (co_await state->wait_for_next(context, attempt, policy, corrections)) continue;
    if (attempt.tried) state->ended(error, context.clock());
    if (!error) co_return std::move(attempt.response);
    const bool known = call.effect == Effect::none || !doubtful;
    co_return fail(error->code(), error->message(), known);
  }
}

Endpoint::Endpoint(asio::any_io_executor executor, IoPool& pool, EndpointOptions options)
    : state_(std::make_shared<State>(std::move(executor), pool, std::move(options))) {}

Endpoint::~Endpoint() = default;

Task<HttpResponse> Endpoint::send(OpContext context, EndpointCall call) {
  // Cancellation is an error like others here, whatever the caller's coroutine does with it.
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  auto result = co_await State::run(state_, context, std::move(call));
  co_await asio::this_coro::throw_if_cancelled(throws);
  co_return result;
}

ClockOffset& Endpoint::clock_offset() { return state_->offset; }
const ClockOffset& Endpoint::clock_offset() const { return state_->offset; }

EndpointStatus Endpoint::status() const {
  const std::lock_guard hold(state_->mutex);
  EndpointStatus status = state_->status;
  status.limit = state_->limiter.limit();
  status.in_use = state_->limiter.in_use();
  status.arriving_bytes = state_->arriving.used_bytes();
  status.peak_arriving_bytes = state_->arriving.peak_bytes();
  return status;
}

asio::awaitable<void> Endpoint::close() {
  const auto state = state_;
  {
    const std::lock_guard hold(state->mutex);
    state->closed = true;
  }
  co_await state->client.close();
}

}  // namespace sharestore::http_client
