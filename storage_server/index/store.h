// Everything the writer thread does with the database: one transaction at a time, its changes
// staged until it is durable.
//
// One thread. Calls between begin() and commit() may all be made as if nothing failed; commit()
// tells. A call that answers an error itself (not_found …) has changed nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backends/core/clock.h"
#include "storage_server/index/connection.h"
#include "storage_server/index/index.h"
#include "storage_server/index/lease_backlog.h"
#include "storage_server/index/pending_leases.h"
#include "storage_server/index/rebuild.h"
#include "storage_server/index/share_rows.h"
#include "storage_server/index/shared_state.h"

namespace sharestore::index_db {

// Leases of one share; more are refused with no_space. Keeps a row to a few pages.
inline constexpr std::size_t kMaxLeasesPerShare = 1024;
inline constexpr std::size_t kMaxAdvisories = 10000;
inline constexpr std::size_t kMaxAdvisoriesPerShare = 16;
inline constexpr std::size_t kMaxAdvisoryReasonBytes = 1024;
// A store note or intent body, and a named value.
inline constexpr std::size_t kMaxBlobBytes = 16u << 20;
// Names of the index's own values begin with this.
inline constexpr std::string_view kOwnValues = "index.";

class Store {
 public:
  // `shared` and `clock` outlive the store.
  static Result<std::unique_ptr<Store>> open(const IndexOptions& options, Clock& clock,
                                             SharedState& shared);
  ~Store();

  bool was_clean() const { return was_clean_; }
  bool is_new() const { return is_new_; }
  Connection& connection() { return connection_; }

  // --- transactions
  void begin();
  bool ok() const { return connection_.ok(); }
  // Durable on success; publishes what was staged. On failure everything is rolled back;
  // outcome_known() is false where the commit itself failed to sync.
  Status commit();
  // The result code of the last failed commit.
  int failure_code() const { return failure_code_; }
  // The clean-stop mark and the activity times, as the last transaction.
  Status write_clean_mark();
  // Remembers outside of any transaction that the database is damaged, if it still can.
  void mark_damaged();

  // --- uploads, intents, values (store_journal.cpp)
  void begin_uploads(const StorageIndex& si, const std::vector<ShareNumber>& numbers,
                     std::uint64_t size_bytes, std::int64_t now);
  // The upload's row is the caller's matter.
  void finish_upload(const ShareId& share, const ShareInfo& info, const Lease& lease,
                     std::int64_t now);
  void drop_uploads(const StorageIndex& si, const std::vector<ShareNumber>& numbers);
  Status note_upload(const ShareId& share, const std::string& note);
  std::uint64_t put_intent(const StorageIndex& si, const std::string& body);
  void drop_intent(std::uint64_t id);
  void add_advisory(const ShareId& share, const std::string& reason, std::int64_t now);
  void set_value(std::string_view name, std::string_view value);

  // --- slots (store_slots.cpp)
  void begin_slot_write(const StorageIndex& si);
  Result<LeaseOutcome> finish_slot_write(const SlotUpdate& update);
  void settle_slot(const StorageIndex& si, const std::vector<ShareInfo>& shares,
                   const std::vector<Leases>& leases, std::int64_t starter_expiry,
                   std::int64_t now);
  Status set_state(const ShareId& share, ShareState state);
  void forget(const ShareId& share);
  void set_stored_bytes(const ShareId& share, std::uint64_t stored_bytes);

  // --- leases (store_leases.cpp)
  Result<LeaseOutcome> add_or_renew(const StorageIndex& si, const std::vector<ShareNumber>& numbers,
                                    const Lease& lease);
  bool renew(const StorageIndex& si, const Lease& lease);
  // The share was due and nothing has changed that: it is `going` now.
  bool claim_expired(const ShareId& share, std::int64_t before);
  // Shares that came up and are not due: they come up again when they may be.
  void move_due(const std::vector<ShareId>& shares);
  void acknowledge_saved(const std::vector<SavedLeases>& saved);
  void acknowledge_removed(const std::vector<RemovedShare>& removed);

  // --- merging of renewals into their rows, behind (store_fold.cpp)
  // Whether there is so much that it must not wait for an idle moment.
  bool fold_is_urgent() const;
  bool fold_is_running() const { return fold_.running; }
  bool has_renewals() const { return log_records_ != 0; }
  // Begins a pass over what is pending now, unless one is running.
  void begin_fold();
  // The next piece, in a transaction of its own. The pass ends when fold_is_running() is false.
  Status fold_step();

  // --- rebuild (store_rebuild.cpp)
  void begin_rebuild(std::int64_t starter_expiry);
  RecordedBatch record_scanned(const std::vector<ScannedShare>& shares, const ScanCursor& next);
  void record_remembered(const std::vector<RememberedShare>& shares);
  // Removes rows after `after` that the rebuild has not seen; answers where to go on, or nothing.
  SweepStep sweep_unseen(const ShareId& after, std::size_t limit);
  void end_rebuild();

 private:
  struct Fold {
    bool running = false;
    bool merging = false;  // else deleting the log's rows
    int next_first_byte = 0;
    std::vector<PendingRenewal> batch;
    std::size_t batch_done = 0;
    std::int64_t last_seq = 0;
    std::uint64_t log_records = 0;
  };

  Store(std::unique_ptr<Connection> connection, const IndexOptions& options, Clock& clock,
        SharedState& shared);
  Status load();
  Status load_log();
  void flush_totals();
  void append_log();
  void settle_staged(bool committed);

  std::int64_t now() const { return unix_seconds(clock_.utc_now()); }
  // `lease_only`: nothing but leases changed, and not through the backend.
  void mark_unsaved(StoredShare& share, bool lease_only);
  void erase_row(const StoredShare& share);
  // erase_row, and a rebuild under way is told.
  void drop_share(const StoredShare& share);
  // Whether the rows of `si` can be believed; while a rebuild runs, never.
  bool is_settled(const StorageIndex& si);
  // Whether the log can say "every share of `si` with this lease"; it does if that is news.
  bool fits_log(const Lease& lease) const;
  void log_renewal(const StorageIndex& si, const Lease& lease);
  // Whether the lease ends later than any word of the log says.
  bool is_later_than_log(const StorageIndex& si, const Lease& lease) const;
  Status make_room_for_lease(StoredShare& share, const Lease& lease) const;
  // Adds the leases kept outside, the later end wins. True: the index knows newer ones.
  bool merge_outside(StoredShare& share, Leases outside) const;
  void merge_renewals(const StorageIndex& si);
  bool is_known_in_rebuild(const StorageIndex& si, const std::vector<StoredShare>& slot);
  void record_share(const ScannedShare& scanned, std::vector<StoredShare>& slot,
                    RecordedBatch& outcome);
  void clear_doubt(const StorageIndex& si);

  std::unique_ptr<Connection> owned_connection_;
  Connection& connection_;
  KeptOutside kept_outside_;
  Clock& clock_;
  SharedState& shared_;
  ShareRows rows_;

  Statement begin_;
  Statement commit_;
  Statement log_append_;
  Statement log_trim_;
  Statement totals_;
  Statement value_set_;
  Statement upload_put_;
  Statement upload_drop_;
  Statement upload_note_;
  Statement upload_left_;
  Statement upload_of_;
  Statement doubt_put_;
  Statement doubt_drop_;
  Statement doubt_of_;
  Statement advisory_put_;
  Statement advisory_trim_share_;
  Statement advisory_trim_all_;
  Statement removed_put_;
  Statement removed_drop_;
  Statement removed_ack_;
  Statement gone_put_;
  Statement gone_of_;

  bool was_clean_ = false;
  bool is_new_ = false;
  bool clean_mark_is_set_ = false;
  int failure_code_ = 0;
  // Totals as committed.
  Counters totals_committed_;
  bool activity_changed_ = false;
  std::int64_t generation_ = 0;
  std::int64_t starter_expiry_ = 0;
  std::int64_t next_seq_ = 1;
  std::uint64_t log_records_ = 0;
  Fold fold_;

  // --- of the transaction under way
  std::vector<PendingRenewal> staged_renewals_;
  std::vector<StorageIndex> staged_settled_;  // no longer left over
  std::int64_t staged_doubts_ = 0;
  std::optional<std::int64_t> staged_rebuild_;  // value of rebuild_generation after commit
  std::optional<std::int64_t> generation_before_;
  Counters staged_advisories_;
};

}  // namespace sharestore::index_db
