// When a request may be repeated, after how long, and how often in all.
//
// RetryPolicy: pure but for its random numbers; one per request. RetryBudget: any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string_view>

#include "backends/core/op_context.h"
#include "backends/http/http_message.h"

namespace sharestore::http_client {

enum class Verdict : std::uint8_t {
  final,     // repeating cannot help, or is not allowed
  retry,     // the next attempt may succeed
  throttle,  // as retry, and the store asks for less
  // What the store found wrong (a token, a region, our clock) has been put right: repeated at once.
  corrected,
};

// `idempotent`: executing it twice leaves what executing it once leaves.
Verdict classify(const HttpFailure& failure, bool idempotent);
// For answers whose body says nothing better. 408, 429, 500, 502, 503 and 504 are worth repeating.
Verdict classify_status(int status, bool idempotent);

// Seconds, or an HTTP date less the answer's own. Nothing: no such header, or not readable.
std::optional<std::chrono::seconds> retry_after(const HttpResponse& response);

// Uniform in [0, 1).
using RandomSource = std::function<double()>;
RandomSource system_random();

struct RetryOptions {
  std::chrono::milliseconds first_pause_ms{100};
  std::chrono::milliseconds longest_pause_ms{10'000};
  // Longer wishes of a server are cut to this.
  std::chrono::seconds longest_retry_after_s{30};
  // A bound beside the deadline, so that a fast refusal cannot loop.
  int max_attempts = 12;
  RandomSource random = system_random();
};

// Pauses between attempts: decorrelated jitter, each between the first pause and three times the
// one before, so that clients that failed together do not come back together.
class RetryPolicy {
 public:
  explicit RetryPolicy(const RetryOptions& options)
      : options_(options), last_(options.first_pause_ms) {}

  // The pause before the next attempt. Nothing when the attempts are used up or when the pause
  // would end after the context's deadline.
  std::optional<Duration> next_pause(const OpContext& context,
                                     std::optional<std::chrono::seconds> asked_for);
  int attempts() const { return attempts_; }

 private:
  const RetryOptions& options_;
  std::chrono::milliseconds last_;
  int attempts_ = 1;
};

// Repetitions that one endpoint may cost beyond its requests: a tenth of them, one a second, and a
// reserve. It keeps a store that fails from being asked several times as much as one that works.
class RetryBudget {
 public:
  static constexpr double kReserve = 64;
  static constexpr double kPerRequest = 0.1;
  static constexpr double kPerSecond = 1;

  void request_begun();
  // True: the repetition may be made, and is charged.
  bool take(Monotonic now);

 private:
  std::mutex mutex_;
  double left_ = kReserve;
  std::optional<Monotonic> last_;
};

}  // namespace sharestore::http_client
