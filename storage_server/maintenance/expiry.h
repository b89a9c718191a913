// The engine that removes shares whose leases have ended.
//
// Nothing is removed while expiry is off, while a rebuild of the index is under way, for 31 days
// after a start that found one under way (shares that were taken over keep that long, unless
// accept_taken_over()), or while the clock is in doubt. A rebuild that a person asks for merges
// what the index knows with what the shares say: it needs no such wait. Removals that an earlier
// run began are completed in any case. A share is taken out by the ExpiredShares given, which looks
// at it again under its slot's lock.
//
// Threads: run() and the accept functions on one executor of one thread; report() from any.
// Ownership: index, clock and remover outlive it.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "backends/core/op_context.h"
#include "config/storage_config.h"
#include "storage_server/index/full_index.h"
#include "storage_server/maintenance/clock_guard.h"
#include "storage_server/shares/expired_shares.h"

namespace sharestore {

struct ExpiryReport {
  bool enabled = false;
  // Not empty: why nothing is removed now, one sentence.
  std::string held;
  std::uint64_t removed_shares = 0;  // since start
  std::uint64_t removed_bytes = 0;
  std::uint64_t failures = 0;  // removals put off because the store failed
  std::string last_error;
};

struct ExpiryForecast {
  ForecastLine day;
  ForecastLine week;
  ForecastLine month;
};

class Expiry {
 public:
  Expiry(const ExpireConfig& config, FullIndex& index, ExpiredShares& shares, Clock& clock);

  // Before anything is served: notes a rebuild, looks at the clock.
  Task<void> start();
  // Until `stopping`; removes what is due, then looks again every kPassEvery, or every kTickEvery
  // while removals are held. The coroutine is cancelled to wake it.
  boost::asio::awaitable<void> run(const std::atomic<bool>& stopping);
  // One pass; for tests and by hand. Errors of single shares are counted, not returned.
  Task<void> pass(const std::atomic<bool>& stopping);

  // A person says that shares found at the take-over need no grace, or that the clock is right. The
  // next pass comes within kTickEvery.
  Task<void> accept_taken_over();
  Task<void> accept_clock();

  ExpiryReport report() const;
  // What would go under the configured rules in the next day, week and 30 days: to the day, all
  // that is due already included. Nothing: expiry is off.
  Result<std::optional<ExpiryForecast>> forecast();

  static constexpr std::chrono::minutes kTickEvery{1};
  static constexpr std::chrono::minutes kPassEvery{10};
  static constexpr std::chrono::hours kForecastEvery{24};
  static constexpr std::size_t kPage = 256;
  // Uploads that commit at the same moment wait for these removals.
  static constexpr std::size_t kMaxAtOnce = 16;

 private:
  Task<std::string> why_held();
  Task<void> note_rebuild();
  Task<void> finish_begun(const std::atomic<bool>& stopping);
  Task<void> remove_due(ShareKind kind, const std::atomic<bool>& stopping);
  // Several at once, so that they share syncs; returns when all have ended.
  boost::asio::awaitable<void> remove_batch(std::vector<DueShare> shares, std::int64_t before);
  boost::asio::awaitable<void> remove_one(DueShare share, std::int64_t before);
  // Waits until so many more may be removed.
  boost::asio::awaitable<void> throttle(std::size_t shares);
  std::size_t batch_size() const;
  OpContext removal_context() const;
  void count_failure(const Error& error);
  void log_forecast();
  Result<ForecastLine> forecast_until(std::int64_t when);

  const ExpireConfig config_;
  FullIndex& index_;
  ExpiredShares& shares_;
  Clock& clock_;
  ClockGuard guard_;
  Monotonic next_removal_;
  Monotonic next_pass_;
  Monotonic next_forecast_;
  mutable std::mutex mutex_;
  ExpiryReport report_;
};

}  // namespace sharestore
