// The index: what the node holds, who leases it, what is under way. One SQLite database, one writer
// thread, group commit.
//
// Threads: any. Reads run at once on the caller's thread over pooled read connections
// (microseconds, no lock held while waiting for the disk); writes are queued to the writer thread,
// committed in groups, and their coroutines resume on the caller's executor when their rows are
// durable. Ownership: main owns it; it outlives every user. stop() before destruction.
//
// A change with a RecordedFlag is remembered elsewhere: it returns when find() and leases() have
// it, at once, and is written behind, in order with all others; the flag becomes true when it is
// durable: a moment later (writer.h), after sync(), or never where the index fails. Until then
// totals and lists do not have it, and a stop that is not clean undoes it.
//
// Errors of every write: no_space (the index's disk is full), io_error, cancelled (the index
// stopped). A failed sync poisons the index: every later write fails with io_error and health()
// says why.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backends/backend.h"
#include "backends/core/clock.h"
#include "backends/core/journal.h"
#include "backends/core/lease.h"
#include "backends/core/task.h"

namespace sharestore {

// The states of a share that is not absent. "Unavailable" is no state of a row: it is what a
// request meets (Errc::unavailable).
enum class ShareState : std::uint8_t {
  present = 0,  // served, listed
  unread = 1,   // found by a scan that lists sizes only: listed; its header is read at first use
  going = 2,    // being removed: not listed, not leased; the removal is completed at start
  lost = 3,  // the store has really lost it, or it is in quarantine: not listed, may be re-placed
};

struct ShareRow {
  ShareInfo info;
  ShareState state = ShareState::present;
  std::int64_t first_write = 0;  // unix seconds
  std::int64_t last_write = 0;

  bool operator==(const ShareRow&) const = default;
};

// One storage index as the index knows it.
struct Slot {
  std::vector<ShareRow> shares;  // in order of number, every state
  // A mutable write or an upload's commit was under way when the node stopped uncleanly, its
  // outcome is not known, or a rebuild has not come to this storage index yet: the backend must be
  // asked (settle_slot) before these rows are believed.
  bool doubtful = false;
};

struct IndexTotals {
  std::uint64_t immutable_shares = 0;
  std::uint64_t mutable_shares = 0;
  std::uint64_t immutable_bytes = 0;  // stored bytes
  std::uint64_t mutable_bytes = 0;
  std::uint64_t leases = 0;
  std::uint64_t lost_shares = 0;
  std::uint64_t advisories = 0;
};

// What keeps leases beside the index, so that they outlive it. What is newer in the index than
// there is remembered, durably, until it was saved (lease_backlog.h).
enum class KeptOutside : std::uint8_t {
  nothing,
  in_share_files,  // version 1 files are kept true by their writers
  in_batches,      // every change counts, removals too
};

struct IndexOptions {
  std::filesystem::path file;
  KeptOutside kept_outside = KeptOutside::nothing;
  // Memory for SQLite caches and pending leases, part of memory_limit.
  std::size_t memory_bytes = 16u << 20;
  // Queued writes beyond this wait for room (their senders are requests, which are bounded too).
  std::size_t max_queued_writes = 8192;
};

// What a lease request did.
struct LeaseOutcome {
  std::uint64_t renewed = 0;
  std::uint64_t added = 0;
};

// The result of a mutable write or an upload, as the index is told.
struct SlotUpdate {
  StorageIndex storage_index;
  std::vector<ShareInfo> changed;    // present now
  std::vector<ShareNumber> removed;  // gone now; their leases go too
  std::vector<ShareNumber> leased;   // these get `lease`: renewed by secret, else added
  std::optional<Lease> lease;
  std::int64_t now = 0;  // unix seconds
  // Null: durable on return, and the outcome says what became of the leases. Set: `leased` are
  // among `changed`.
  RecordedFlag recorded = nullptr;
};

class Index : public Journal {
 public:
  // Opens or creates the database: schema and WAL only, no scan; milliseconds whatever its size.
  // corrupt: not a database, damaged, or of a newer schema (the caller moves it aside and
  // rebuilds). no_space, io_error, forbidden.
  static Result<std::unique_ptr<Index>> open(IndexOptions options, Clock& clock);

  // Whether the last run ended with stop(); false for a new database.
  virtual bool was_stopped_cleanly() const = 0;
  // Commits what is queued, writes the clean-stop mark and closes. Later calls fail with cancelled.
  virtual void stop() = 0;
  // What any call has returned for is durable, and its flags are true.
  virtual Task<void> sync() = 0;
  virtual Health health() const = 0;

  // --- reads ---------------------------------------------------------------------------------
  // Nothing known: an empty slot.
  virtual Result<Slot> find(StorageIndex storage_index) = 0;
  // Every lease of one share, renewals not yet folded included. not_found.
  virtual Result<Leases> leases(ShareId share) = 0;
  // Exact, without a scan.
  virtual IndexTotals totals() const = 0;
  // When the last rebuild from the backend was complete, unix seconds; 0: never. Costs nothing.
  virtual std::int64_t rebuilt_at() const = 0;

  // --- uploads -------------------------------------------------------------------------------
  // Records allocated uploads. Durable on return.
  virtual Task<void> begin_uploads(StorageIndex storage_index, std::vector<ShareNumber> numbers,
                                   std::uint64_t size_bytes, std::int64_t now) = 0;
  // The share is durable in the backend: its row becomes present with its first lease, and the
  // upload's row goes, in one transaction. Durable on return unless there is a flag.
  virtual Task<void> finish_upload(ShareId share, ShareInfo info, Lease lease, std::int64_t now,
                                   RecordedFlag recorded = nullptr) = 0;
  // The uploads were abandoned. Missing ones are success. Durable on return.
  virtual Task<void> drop_uploads(StorageIndex storage_index, std::vector<ShareNumber> numbers) = 0;

  // --- mutable slots -------------------------------------------------------------------------
  // What the backend did, after it marked the slot doubtful (Journal::begin_slot_writes) or
  // remembered the change itself; clears the mark. Durable on return unless there is a flag.
  virtual Task<LeaseOutcome> finish_slot_write(SlotUpdate update) = 0;
  // The backend was asked and `shares` is all it holds: rows are made to agree, the mark and the
  // uploads' rows of shares that are there go. `leases` (parallel to shares) are merged into those
  // that shares have, the later end wins; a share without any gets a starter lease ending at
  // `starter_expiry`. Durable on return.
  virtual Task<void> settle_slot(StorageIndex storage_index, std::vector<ShareInfo> shares,
                                 std::vector<Leases> leases, std::int64_t starter_expiry,
                                 std::int64_t now) = 0;
  // Slots marked doubtful, at most `limit` (start-up work list).
  virtual Result<std::vector<StorageIndex>> doubtful_slots(std::size_t limit) = 0;

  // --- leases --------------------------------------------------------------------------------
  // Renews (never shortens) or adds the lease on every present or unread share of the storage index
  // that is named in `numbers`, or on all if it is empty. not_found: no such share. Durable on
  // return.
  virtual Task<LeaseOutcome> add_or_renew(StorageIndex storage_index,
                                          std::vector<ShareNumber> numbers, Lease lease) = 0;

  // As add_or_renew on all shares, where that is no more than a word in the log of renewals: every
  // share has the lease already, and none of them is doubtful, unread, or in a version 1 container
  // (whose file the caller must write). Needs no find() before it. False: nothing was done, the
  // caller must look closer. Durable on return.
  virtual Task<bool> renew(StorageIndex storage_index, Lease lease) = 0;

  // --- states --------------------------------------------------------------------------------
  virtual Task<void> set_state(ShareId share, ShareState state) = 0;
  // Row and leases go. Missing is success.
  virtual Task<void> forget(ShareId share) = 0;
  // The share file has another size, because leases were written into it. Missing is success.
  virtual Task<void> set_stored_bytes(ShareId share, std::uint64_t stored_bytes) = 0;

  // --- bookkeeping ---------------------------------------------------------------------------
  // A corruption advisory was written. Counted; the newest kLimit are kept per share and in all.
  virtual Task<void> add_advisory(ShareId share, std::string reason, std::int64_t now) = 0;
  // Small named values that survive restarts (clock guard, take-over time, cursors).
  virtual Result<std::optional<std::string>> get_value(std::string name) = 0;
  virtual Task<void> set_value(std::string name, std::string value) = 0;
};

}  // namespace sharestore
