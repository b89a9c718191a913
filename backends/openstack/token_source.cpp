#include "backends/openstack/token_source.h"

#include <fmt/format.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/experimental/concurrent_channel.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <mutex>
#include <utility>

#include "backends/core/async_event.h"
#include "backends/core/log.h"
#include "backends/http/endpoint.h"
#include "backends/openstack/version_discovery.h"

namespace sharestore::openstack {

namespace asio = boost::asio;
using http_client::EndpointCall;
using http_client::HttpRequest;
using http_client::HttpResponse;
using http_client::Judgement;

namespace {

constexpr std::size_t kMaxVersionsBytes = 256 * 1024;

// One authentication under way. Its end is told by closing the channel, which wakes every waiter
// and, unlike an event, lets a waiter go at its own deadline.
struct Flight {
  explicit Flight(const asio::any_io_executor& executor) : done(executor) {}
  asio::experimental::concurrent_channel<void(boost::system::error_code)> done;
};

asio::awaitable<void> wait_for(std::shared_ptr<Flight> flight, OpContext context) {
  using asio::experimental::awaitable_operators::operator||;
  (void)co_await (flight->done.async_receive(asio::as_tuple(asio::use_awaitable)) ||
                  context.clock().sleep_until(context.deadline()));
}

struct Held {
  Token token;
  Monotonic renew_at;
};

struct Failure {
  Error error;
  Monotonic not_before;
  bool service_asked_for_pause = false;
};

bool may_pass(Errc code) {
  return code == Errc::unavailable || code == Errc::busy || code == Errc::timed_out ||
         code == Errc::io_error;
}

http_client::EndpointOptions endpoint_options(const OpenStackConfig& config) {
  http_client::EndpointOptions options;
  options.origin = http_client::origin_of(config.url.to_string());
  options.max_requests = 1;
  options.ca_file = config.ca_file;
  options.request_id_headers = {"X-Openstack-Request-Id", "X-Trans-Id"};
  // Pauses are kept here, across the requests of all who wait.
  options.retry.max_attempts = 1;
  return options;
}

}  // namespace

struct TokenSource::State : std::enable_shared_from_this<State> {
  State(asio::any_io_executor given, IoPool& pool, OpenStackConfig its_config,
        http_client::RandomSource source)
      : executor(std::move(given)),
        config(std::move(its_config)),
        random(std::move(source)),
        endpoint(executor, pool, endpoint_options(config)) {}

  struct Authentication {
    Result<TokenAnswer> answer;
    std::optional<std::chrono::seconds> retry_after;
  };

  std::chrono::seconds offset() const;
  void begin_flight_locked(Clock& clock);
  static asio::awaitable<void> fly(std::shared_ptr<State> self, std::shared_ptr<Flight> flight,
                                   Clock& clock);
  asio::awaitable<Authentication> authenticate(OpContext context);
  Task<IdentityAddress> find_address(OpContext context);
  Task<HttpResponse> ask(OpContext context, std::string url);
  void keep_locked(TokenAnswer answer, Monotonic now);
  void fail_locked(Error error, std::optional<std::chrono::seconds> retry_after, Monotonic now);
  static Task<Token> get(std::shared_ptr<State> self, OpContext context);

  const asio::any_io_executor executor;
  const OpenStackConfig config;
  const http_client::RandomSource random;
  http_client::Endpoint endpoint;
  // Of flights only, one at a time.
  std::optional<IdentityAddress> address;

  mutable std::mutex mutex;
  std::optional<Held> held;
  // Refused by the store; what the service must not hand out again.
  std::optional<Secret> refused;
  std::optional<Failure> failure;
  int failures = 0;
  std::uint64_t generations = 0;
  std::uint64_t authentications = 0;
  std::optional<IdentityAddress> asked;
  std::shared_ptr<Flight> flight;
  std::shared_ptr<AsyncEvent> landed;  // of the last flight
  bool closed = false;
};

// --- one authentication -------------------------------------------------------------------------

Task<HttpResponse> TokenSource::State::ask(OpContext context, std::string url) {
  EndpointCall call;
  call.what = "asking " + url + " for its versions";
  call.prepare = [url](OpContext, WallTime) -> Task<HttpRequest> {
    HttpRequest request;
    request.method = "GET";
    request.url = url;
    request.headers = {{"Accept", "application/json"}};
    request.max_response_bytes = kMaxVersionsBytes;
    co_return request;
  };
  call.judge = [](const HttpResponse& response) -> Judgement {
    if (response.status < 500) return {};
    return {
        http_client::Verdict::final,
        Error(Errc::unavailable, fmt::format("the identity service answers {}", response.status))};
  };
  co_return co_await endpoint.send(context, std::move(call));
}

Task<IdentityAddress> TokenSource::State::find_address(OpContext context) {
  if (auto known = address_from_url(config.auth, config.url)) co_return *known;
  auto versions = co_await ask(context, versions_url(config.url));
  if (!versions) co_return fail(std::move(versions.error()));
  auto told = address_from_versions(config.auth, config.url, versions->body.text());
  if (told) co_return *told;
  if (config.auth == OpenStackConfig::Auth::discover) {
    // A v1 service refuses who names no user; anything else does not know the place.
    auto probe = co_await ask(context, v1_probe_url(config.url));
    if (!probe) co_return fail(std::move(probe.error()));
    if (probe->status == 401 || probe->status == 403) {
      co_return usual_address(OpenStackConfig::Auth::v1, config.url);
    }
  }
  co_return usual_address(config.auth, config.url);
}

// The service's clock less ours. A `Date` has whole seconds: one of difference is none, and would
// cost a short token most of its life.
std::chrono::seconds TokenSource::State::offset() const {
  const auto told = endpoint.clock_offset().value().value_or(std::chrono::seconds(0));
  return std::chrono::abs(told) <= std::chrono::seconds(1) ? std::chrono::seconds(0) : told;
}

asio::awaitable<TokenSource::State::Authentication> TokenSource::State::authenticate(
    OpContext context) {
  if (!address) {
    auto found = co_await find_address(context);
    if (!found) co_return Authentication{fail(std::move(found.error())), std::nullopt};
    address = std::move(*found);
  }
  {
    const std::lock_guard hold(mutex);
    ++authentications;
    asked = address;
  }
  Clock& clock = context.clock();
  std::optional<TokenAnswer> answer;
  std::optional<std::chrono::seconds> pause;
  EndpointCall call;
  call.what = "asking for a token";
  call.prepare = [this](OpContext, WallTime) -> Task<HttpRequest> {
    co_return make_token_request(*address, config);
  };
  call.judge = [this, &answer, &pause, &clock](const HttpResponse& response) -> Judgement {
    auto read = read_token_answer(*address, config, response, clock.utc_now() + offset());
    pause = http_client::retry_after(response);
    if (!read) return {http_client::Verdict::final, std::move(read.error())};
    answer = std::move(*read);
    return {};
  };
  auto response = co_await endpoint.send(context, std::move(call));
  if (answer) co_return Authentication{std::move(*answer), std::nullopt};
  Error error = response ? Error(Errc::unavailable, "no token") : std::move(response.error());
  // The service may have moved to another version.
  if (error.code() == Errc::not_found) address.reset();
  co_return Authentication{fail(error.code(), error.message()), pause};
}

// --- what follows from it -----------------------------------------------------------------------

void TokenSource::State::keep_locked(TokenAnswer answer, Monotonic now) {
  if (refused && refused->equals(answer.token.reveal())) {
    // After the pause it is tried again: stores have been known to forget a good token for a while.
    refused.reset();
    fail_locked({Errc::unauthorized,
                 fmt::format("the object store at {} refuses the token that the identity service "
                             "hands out again and again",
                             http_client::origin_of(answer.storage_url))},
                std::nullopt, now);
    return;
  }
  const auto life =
      std::max<Duration>(answer.life_ms.value_or(kUntoldTokenLife), kShortestTokenLife);
  const bool same = held && held->token.value.equals(answer.token.reveal());
  Held next;
  next.token.generation = same ? held->token.generation : ++generations;
  next.token.value = std::move(answer.token);
  next.token.storage_url = std::move(answer.storage_url);
  next.token.ends_at = now + life;
  const auto lead = std::min<Duration>(life / 4, kLongestRenewalLead);
  const auto cut = std::chrono::duration_cast<Duration>(lead * (0.5 + random() / 2));
  // A service that gives the same one again has no other until its end.
  next.renew_at = same ? next.token.ends_at : next.token.ends_at - cut;
  held = std::move(next);
  refused.reset();
  failure.reset();
  failures = 0;
}

void TokenSource::State::fail_locked(Error error, std::optional<std::chrono::seconds> retry_after,
                                     Monotonic now) {
  const bool account = !may_pass(error.code());
  ++failures;
  Duration pause = (account ? kRefusedAccountPause : kFirstAuthenticationPause) *
                   (1 << std::min(failures - 1, 6));
  pause = std::min<Duration>(pause, kLongestAuthenticationPause);
  pause = std::chrono::duration_cast<Duration>(pause * (0.5 + random() / 2));
  if (retry_after) {
    pause = std::max<Duration>(pause, std::min<Duration>(*retry_after, kLongestRetryAfter));
  }
  failure = Failure{std::move(error), now + pause, retry_after.has_value()};
}

asio::awaitable<void> TokenSource::State::fly(std::shared_ptr<State> self,
                                              std::shared_ptr<Flight> flight, Clock& clock) {
  const OpContext context(clock, clock.now() + kAuthenticationBudget);
  auto done = co_await self->authenticate(context);
  std::shared_ptr<AsyncEvent> landed;
  {
    const std::lock_guard hold(self->mutex);
    if (done.answer) {
      self->keep_locked(std::move(*done.answer), clock.now());
    } else {
      self->fail_locked(std::move(done.answer.error()), done.retry_after, clock.now());
    }
    self->flight.reset();
    landed = self->landed;
  }
  flight->done.close();
  landed->set();
}

void TokenSource::State::begin_flight_locked(Clock& clock) {
  flight = std::make_shared<Flight>(executor);
  landed = std::make_shared<AsyncEvent>();
  // Posted: spawned from the executor's own thread it would run at once, under the mutex.
  asio::post(executor, [self = shared_from_this(), begun = flight, &clock]() {
    asio::co_spawn(self->executor, fly(self, begun, clock), asio::detached);
  });
}

// --- the token ----------------------------------------------------------------------------------

Task<Token> TokenSource::State::get(std::shared_ptr<State> self, OpContext context) {
  Clock& clock = context.clock();
  while (true) {
    std::shared_ptr<Flight> awaited;
    Monotonic pause_end;
    {
      const std::lock_guard hold(self->mutex);
      if (self->closed) co_return fail(Errc::cancelled, "the store is closed");
      const Monotonic now = clock.now();
      const bool resting = self->failure && now < self->failure->not_before;
      if (self->held && now < self->held->token.ends_at) {
        if (now >= self->held->renew_at && !self->flight && !resting)
          self->begin_flight_locked(clock);
        co_return self->held->token;
      }
      if (context.expired()) {
        co_return fail(Errc::timed_out, "the identity service does not answer in time");
      }
      if (!self->flight && resting) {
        const Failure& failure = *self->failure;
        const bool patient =
            may_pass(failure.error.code()) && failure.not_before < context.deadline() &&
            (failure.service_asked_for_pause || failure.not_before - now <= kPatience);
        if (!patient) co_return fail(failure.error);
        pause_end = failure.not_before;
      } else {
        if (!self->flight) self->begin_flight_locked(clock);
        awaited = self->flight;
      }
    }
    if (awaited) {
      co_await wait_for(std::move(awaited), context);
    } else {
      co_await clock.sleep_until(pause_end);
    }
    const auto cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none) {
      co_return fail(Errc::cancelled, "the wait for a token was cancelled");
    }
  }
}

TokenSource::TokenSource(asio::any_io_executor executor, IoPool& pool, OpenStackConfig config,
                         http_client::RandomSource random)
    : state_(std::make_shared<State>(std::move(executor), pool, std::move(config),
                                     std::move(random))) {}

TokenSource::~TokenSource() = default;

Task<Token> TokenSource::token(OpContext context) { return State::get(state_, context); }

void TokenSource::invalidate(std::uint64_t generation) {
  const std::lock_guard hold(state_->mutex);
  auto& held = state_->held;
  if (!held || held->token.generation != generation) return;
  state_->refused = std::move(held->token.value);
  held.reset();
}

TokenStatus TokenSource::status() const {
  const std::lock_guard hold(state_->mutex);
  TokenStatus status;
  if (state_->failure) status.trouble = state_->failure->error.message();
  status.authentications = state_->authentications;
  status.has_token = state_->held.has_value();
  status.identity = state_->asked;
  status.clock_offset = state_->endpoint.clock_offset().value();
  return status;
}

asio::awaitable<void> TokenSource::close() {
  const auto state = state_;
  std::shared_ptr<AsyncEvent> landed;
  {
    const std::lock_guard hold(state->mutex);
    state->closed = true;
    landed = state->landed;
  }
  co_await state->endpoint.close();
  if (landed) co_await landed->wait();
}

}  // namespace sharestore::openstack
