// Fills the index from what the backend holds, while the node serves.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

#include "backends/backend.h"
#include "storage_server/index/full_index.h"
#include "storage_server/shares/share_store.h"

namespace sharestore {

// Shares that one page of the scan asks for.
inline constexpr std::size_t kRebuildPageShares = 2048;
// How long shares whose leases are not known are kept at least (architecture.md section 5).
inline constexpr std::int64_t kStarterLeaseSeconds = 60LL * 24 * 60 * 60;

struct RebuildProgress {
  bool running = false;
  // Shares looked at since this process began with it.
  std::uint64_t scanned = 0;
  // How much of the store lies behind, 0 to 1, by where the scan stands.
  double done = 0;
};

// Rebuilds the index from what the backend holds. Of a bucket: first what was written down beside
// the shares, then the listing, then by name what was known and not listed; headers that no listing
// tells are read at leisure afterwards.
//
// Runs on one executor of one thread; progress() for any. What it is given outlives it.
class RebuildRun {
 public:
  RebuildRun(Backend& backend, ShareStore& store, FullIndex& index, Clock& clock)
      : backend_(backend), store_(store), index_(index), clock_(clock) {}

  // Goes on with the rebuild under way, if one is, and with headers that an earlier one left
  // unread, to the end of both or until `stopping`. After an error it waits and tries again.
  boost::asio::awaitable<void> complete(const std::atomic<bool>& stopping);
  // The same for every rebuild that is begun, until `stopping`.
  boost::asio::awaitable<void> run(const std::atomic<bool>& stopping);

  // Begins a rebuild, unless one is under way; run() does it.
  Task<void> request();
  // Goes on with the rebuild under way, if one is, to its end. Errors: those of backend and index;
  // the rebuild stays under way. cancelled: `stopping`. For when run() does not run.
  Task<void> finish(const std::atomic<bool>& stopping);

  RebuildProgress progress() const;

  static constexpr std::chrono::seconds kLookEvery{1};

 private:
  Task<void> scan_all(const std::atomic<bool>& stopping, RebuildState state);
  Task<ScanPage> scan_page(ScanCursor cursor);
  void note(const ScanPage& page);

  Backend& backend_;
  ShareStore& store_;
  FullIndex& index_;
  Clock& clock_;
  std::atomic<std::uint64_t> scanned_{0};
  std::atomic<double> done_{0};
};

}  // namespace sharestore
