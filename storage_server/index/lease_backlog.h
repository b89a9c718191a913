// Shares whose leases in the index are newer than what is kept outside
// (IndexOptions::kept_outside), and shares that went: what a flusher writes into share files or a
// bucket's batches.
//
// The backlog is durable. A renewal enters it when it is merged into its row, within a minute; what
// is not merged yet is counted as pending. The index sets no bound on the backlog: it tells its
// size and age, and who sends renewals slows down (kMaxUnsaved, kMaxUnsavedAgeSeconds).
//
// Threads: any; one flusher at a time. Errors: those of every read and write of the index.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "backends/backend.h"
#include "backends/core/lease.h"
#include "backends/core/task.h"
#include "storage_server/index/index.h"

namespace sharestore {

struct UnsavedShare {
  ShareId share;
  ShareRow row;
  // All of them, pending renewals included.
  Leases leases;
  // Since when, unix seconds.
  std::int64_t since = 0;
};

// A share as it was saved: it leaves the backlog unless its leases have changed again.
struct SavedLeases {
  ShareId share;
  Leases leases;
  // The size of the share file since, where the leases are kept in it.
  std::optional<std::uint64_t> stored_bytes = {};
};

struct RemovedShare {
  ShareId share;
  std::int64_t at = 0;  // unix seconds
};

struct BacklogState {
  // Rows in the backlog.
  std::uint64_t shares = 0;
  // Renewals durable but not yet merged into rows.
  std::uint64_t pending = 0;
  // Since when the oldest row waits, unix seconds.
  std::optional<std::int64_t> oldest;
};

// architecture.md section 5: at most 10 000 unsaved, none older than 10 minutes.
inline constexpr std::uint64_t kMaxUnsaved = 10'000;
inline constexpr std::int64_t kMaxUnsavedAgeSeconds = 600;

class LeaseBacklog {
 public:
  virtual ~LeaseBacklog() = default;

  virtual Result<BacklogState> backlog() = 0;
  // Merges pending renewals now (for a stop or a flush by hand).
  virtual Task<void> fold_renewals() = 0;

  // The oldest unsaved shares, at most `limit`. Taking changes nothing: a flusher that dies is no
  // loss.
  virtual Result<std::vector<UnsavedShare>> unsaved(std::size_t limit) = 0;
  // What of them was saved, durably. Shares that are gone are success.
  virtual Task<void> acknowledge_saved(std::vector<SavedLeases> saved) = 0;

  // KeptOutside::in_batches only: shares that went, at most `limit`, and what of them was told.
  virtual Result<std::vector<RemovedShare>> removed(std::size_t limit) = 0;
  virtual Task<void> acknowledge_removed(std::vector<RemovedShare> removed) = 0;
};

}  // namespace sharestore
