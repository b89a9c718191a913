// One store, as a provider talks to it: a request goes out under the limit of requests, is made
// anew for every attempt, and is repeated while that can help and time is left.
//
// Threads: send() from any coroutine on any executor, everything else from any thread. close() is
// awaited before the endpoint is destroyed, and no send() is begun after it.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backends/core/io_pool.h"
#include "backends/core/op_context.h"
#include "backends/core/task.h"
#include "backends/http/clock_offset.h"
#include "backends/http/http_client.h"
#include "backends/http/retry_policy.h"

namespace sharestore::http_client {

// Corrections (Verdict::corrected) of one request at most: a region, a clock and a token.
inline constexpr int kMaxCorrections = 3;

// What executing a request leaves in the store.
enum class Effect : std::uint8_t {
  none,        // a read: its outcome is never in doubt
  repeatable,  // twice leaves what once leaves
  once,        // not repeated when it may have been executed; curl may still do so (HttpClient)
};

struct Judgement {
  Verdict verdict = Verdict::final;
  // Nothing: served. Otherwise what the caller is told unless a repetition succeeds. Its
  // outcome_known() says whether this answer leaves a change possible.
  std::optional<Error> error;
};

// The judgement of an answer by its status alone: below 300 served; 401 unauthorized, 403
// forbidden, 404 not_found, 409 and 412 conflict, 413 too_large, 429 and 503 busy, 507 no_space,
// other 5xx unavailable with unknown outcome, the rest io_error. `what` begins the sentence.
Judgement judge_status(const HttpResponse& response, Effect effect, const std::string& what);

struct EndpointCall {
  // For messages: "PUT of shares/aa/…".
  std::string what;
  Effect effect = Effect::none;
  // Makes the request of one attempt, signed for `now`: our clock, corrected if told so. Runs under
  // a permit: work that takes long belongs before send(), and it must not send on this endpoint.
  std::function<Task<HttpRequest>(OpContext context, WallTime now)> prepare;
  // Says what an answer means. On the caller's executor. Null: judge_status.
  std::function<Judgement(const HttpResponse& response)> judge;
};

// The part of a cache's bytes that is for answers on their way to it.
constexpr std::uint64_t arriving_bytes(std::uint64_t cache_bytes) { return cache_bytes / 3; }

struct EndpointOptions {
  // "https://host:port", for messages; requests may go elsewhere.
  std::string origin;
  std::size_t max_requests = 64;
  // Bodies of answers on their way, together: a request is sent when there is room for its own.
  std::size_t max_arriving_bytes = 16 << 20;
  // PEM file of trusted issuers; empty: the system's.
  std::filesystem::path ca_file;
  // Headers of answers that name the request at the store; what is there is put into errors.
  std::vector<std::string> request_id_headers;
  RetryOptions retry;
  HttpClientOptions http;
};

struct EndpointStatus {
  // The last request that ended was answered by a store that works for us.
  bool answering = true;
  // Sentence and time of the last failed request; empty: none yet.
  std::string last_error;
  WallTime last_error_at;
  // Attempts, those that were repetitions, and answers that asked for less.
  std::uint64_t requests = 0;
  std::uint64_t retries = 0;
  std::uint64_t throttles = 0;
  // Of bodies.
  std::uint64_t bytes_out = 0;
  std::uint64_t bytes_in = 0;
  // Requests allowed at once now, and under way.
  std::size_t limit = 0;
  std::size_t in_use = 0;
  // Room taken for answers on their way, and the most so far.
  std::size_t arriving_bytes = 0;
  std::size_t peak_arriving_bytes = 0;
};

class Endpoint {
 public:
  // `pool` and the executor's loop outlive the endpoint.
  Endpoint(boost::asio::any_io_executor executor, IoPool& pool, EndpointOptions options);
  ~Endpoint();
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  // An answer that was judged as served, or the last attempt's error with the store's request id.
  // Ends by the context's deadline: no pause is begun that would end after it. An error's
  // outcome_known() is false when any attempt may have changed something. busy, timed_out: also
  // when no permit was to be had, or no room for the answer.
  Task<HttpResponse> send(OpContext context, EndpointCall call);

  // The store's clock as far as it is known; apply() on it corrects `now` of later attempts.
  ClockOffset& clock_offset();
  const ClockOffset& clock_offset() const;
  EndpointStatus status() const;

  // Cancels what is running and waits for it.
  boost::asio::awaitable<void> close();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace sharestore::http_client
