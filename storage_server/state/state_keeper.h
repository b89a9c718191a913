// Writes what changed in the index under `state/` in the bucket: batches every minute, and a
// snapshot of everything when the batches have grown.
//
// A batch is put before the index forgets that it was owed, so a crash at any step costs a
// repetition. A snapshot counts from its end blob on; until then the batches before it stay, and
// the snapshot before the newest stays with what follows it, so that one damaged blob loses nothing
// that the other does not have.
//
// Used from one executor, one call at a time; what it is given outlives it. Errors: those of the
// backend's state blobs and of the index.
#pragma once

#include <boost/asio/awaitable.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <vector>

#include "backends/backend.h"
#include "storage_server/index/full_index.h"
#include "storage_server/state/state_file.h"

namespace sharestore {

// architecture.md section 5: losing the node's disk loses at most this much of renewals.
inline constexpr std::chrono::seconds kStateInterval{60};
// A snapshot is due after this many batches, or when their bytes are half of what a snapshot has.
inline constexpr std::uint64_t kBatchesPerSnapshot = 1440;
inline constexpr std::uint64_t kMinSnapshotBytes = 1 << 20;

class StateKeeper {
 public:
  StateKeeper(Backend& backend, FullIndex& index, Clock& clock)
      : backend_(backend), index_(index), clock_(clock) {}

  // Rounds until `stopping`; a store that cannot be reached is tried again in the next.
  boost::asio::awaitable<void> run(const std::atomic<bool>& stopping);

  // One round: what is owed, then a snapshot if one is due.
  Task<void> round();
  // Everything that is owed: before a clean stop.
  Task<void> flush();
  // A snapshot now, and what it replaces goes. conflict: the index is being rebuilt.
  Task<void> write_snapshot();

 private:
  OpContext context() const;
  Task<void> learn();
  Task<void> write_batches();
  Task<bool> write_batch();
  Task<void> put(StateName name, Bytes blob);
  Task<void> remove_replaced();
  bool snapshot_is_due() const;
  std::uint64_t next_sequence();

  Backend& backend_;
  FullIndex& index_;
  Clock& clock_;
  // What lies under state/ is known from the first round on.
  bool learnt_ = false;
  std::uint64_t last_sequence_ = 0;
  std::uint64_t batches_ = 0;  // since the last snapshot
  std::uint64_t batch_bytes_ = 0;
  Monotonic next_batch_;
};

}  // namespace sharestore
