#include "backends/http/retry_policy.h"

#include <algorithm>
#include <charconv>
#include <random>
#include <string>

namespace sharestore::http_client {

Verdict classify(const HttpFailure& failure, bool idempotent) {
  using Kind = HttpFailure::Kind;
  switch (failure.kind) {
    case Kind::cannot_resolve:
    case Kind::cannot_connect: return Verdict::retry;
    case Kind::untrusted:
    case Kind::deadline:
    case Kind::cancelled:
    case Kind::too_large:
    case Kind::unreadable_body:
    case Kind::other: return Verdict::final;
    case Kind::tls_failed:
    case Kind::broken:
    case Kind::no_answer:
    case Kind::stalled: return idempotent || !failure.sent ? Verdict::retry : Verdict::final;
  }
  return Verdict::final;
}

Verdict classify_status(int status, bool idempotent) {
  switch (status) {
    // Refused before anything was done.
    case 429:
    case 503: return Verdict::throttle;
    case 408: return Verdict::retry;
    case 500:
    case 502:
    case 504: return idempotent ? Verdict::retry : Verdict::final;
    default: return Verdict::final;
  }
}

std::optional<std::chrono::seconds> retry_after(const HttpResponse& response) {
  const std::string_view text = response.header("Retry-After");
  std::uint32_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (!text.empty() && error == std::errc() && end == text.data() + text.size()) {
    return std::chrono::seconds(seconds);
  }
  const auto until = parse_date(std::string(text));
  const auto now = parse_date(std::string(response.header("Date")));
  if (!until || !now) return std::nullopt;
  return std::max(std::chrono::duration_cast<std::chrono::seconds>(*until - *now),
                  std::chrono::seconds(0));
}

RandomSource system_random() {
  return []() {
    thread_local std::minstd_rand engine{std::random_device{}()};
    return std::uniform_real_distribution<double>(0, 1)(engine);
  };
}

std::optional<Duration> RetryPolicy::next_pause(const OpContext& context,
                                                std::optional<std::chrono::seconds> asked_for) {
  if (attempts_ >= options_.max_attempts) return std::nullopt;
  const double least = static_cast<double>(options_.first_pause_ms.count());
  const double most = static_cast<double>(last_.count()) * 3;
  const double drawn = least + options_.random() * std::max(most - least, 0.0);
  last_ = std::min(std::chrono::milliseconds(static_cast<std::int64_t>(drawn)),
                   options_.longest_pause_ms);
  Duration pause = last_;
  if (asked_for) {
    pause = std::max<Duration>(pause, std::min(*asked_for, options_.longest_retry_after_s));
  }
  if (pause >= context.remaining()) return std::nullopt;
  ++attempts_;
  return pause;
}

void RetryBudget::request_begun() {
  const std::lock_guard hold(mutex_);
  left_ = std::min(left_ + kPerRequest, kReserve);
}

bool RetryBudget::take(Monotonic now) {
  const std::lock_guard hold(mutex_);
  if (last_ && now > *last_) {
    const double seconds = std::chrono::duration<double>(now - *last_).count();
    left_ = std::min(left_ + seconds * kPerSecond, kReserve);
  }
  last_ = now;
  if (left_ < 1) return false;
  left_ -= 1;
  return true;
}

}  // namespace sharestore::http_client
