#include "storage_server/node/lease_flush.h"

#include <chrono>
#include <utility>

#include "backends/core/limits.h"
#include "backends/core/log.h"

namespace sharestore {

namespace {

// Small enough that a stop does not wait for long, large enough to share syncs.
constexpr std::size_t kSharesPerRound = 64;
constexpr std::chrono::seconds kIdle{10};
constexpr std::size_t kProgressEvery = 1000;

OpContext round_context(Clock& clock) { return {clock, clock.now() + limits::kRequestBudget}; }

}  // namespace

boost::asio::awaitable<void> run_lease_flush(ShareStore& store, FullIndex& index, Clock& clock,
                                             const std::atomic<bool>& stopping) {
  while (!stopping) {
    auto saved = co_await store.save_leases(round_context(clock), index, kSharesPerRound);
    if (!saved)
      log::warning("leases are written into share files later: {}", saved.error().message());
    if (saved && *saved == kSharesPerRound) continue;
    co_await clock.sleep_until(clock.now() + kIdle);
  }
}

Task<std::size_t> flush_leases(
    ShareStore& store, FullIndex& index, Clock& clock,
    std::function<boost::asio::awaitable<void>(std::size_t)> on_progress) {
  auto folded = co_await index.fold_renewals();
  if (!folded) co_return fail(std::move(folded.error()));
  std::size_t total = 0;
  while (true) {
    auto saved = co_await store.save_leases(round_context(clock), index, kSharesPerRound);
    if (!saved) co_return fail(std::move(saved.error()));
    if (*saved == 0) break;
    const std::size_t before = std::exchange(total, total + *saved);
    if (total / kProgressEvery != before / kProgressEvery) co_await on_progress(total);
  }
  co_return total;
}

}  // namespace sharestore
