// Rebuilding the index from what the backend holds, while it serves.
//
// A rebuild is a generation: every row that is recorded, written or settled while it runs is
// stamped with it. A storage index without such a row is not believed (Slot::doubtful) until the
// scan or a request (settle_slot) came to it; a storage index that was settled or written meanwhile
// is newer than the scan, which then leaves it alone. Nothing is removed until finish_rebuild().
// The state is durable: a node that stops in the middle goes on where it was.
//
// Threads: any; one driver at a time. Errors: those of every write of the index.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backends/backend.h"
#include "backends/core/task.h"
#include "storage_server/index/index.h"

namespace sharestore {

// What a batch of scanned shares led to.
struct RecordedBatch {
  std::uint64_t added = 0;
  std::uint64_t updated = 0;
  // Rows of storage indexes in the batch that the store no longer has.
  std::uint64_t vanished = 0;
  // Left alone: what the index knew was newer.
  std::uint64_t skipped = 0;
  // Reported as damaged; a row they have is set to lost. Quarantine is the driver's.
  std::uint64_t damaged = 0;

  void add(const RecordedBatch& other) {
    added += other.added;
    updated += other.updated;
    vanished += other.vanished;
    skipped += other.skipped;
    damaged += other.damaged;
  }
};

// What was known of a share when it was last written down beside the shares.
struct RememberedShare {
  ShareId share;
  // Absent: it was removed.
  std::optional<ShareRow> row;
  Leases leases;
};

// One piece of the removal of rows that the finished scan has not seen.
struct SweepStep {
  std::uint64_t removed = 0;
  // Where to go on; nothing at the end.
  std::optional<ShareId> next;
};

struct UnseenPage {
  std::vector<StorageIndex> slots;
  // Where to go on; nothing at the end.
  std::optional<ShareId> next;
};

// What is known of a rebuild under way.
struct RebuildState {
  std::int64_t generation = 0;
  // The last recorded place of the scan; empty at the beginning.
  ScanCursor cursor;
};

class IndexRebuild {
 public:
  virtual ~IndexRebuild() = default;

  // True for a database that this start has created.
  virtual bool is_new() const = 0;
  // The rebuild under way, also one that an earlier run began.
  virtual Result<std::optional<RebuildState>> rebuild_state() = 0;

  // Begins one, or begins again with the scan at its beginning if one was under way. Shares without
  // a known lease get a starter lease that ends at `starter_expiry` (unix seconds).
  virtual Task<void> begin_rebuild(std::int64_t starter_expiry) = 0;
  // Records shares, in any order of storage indexes, each storage index whole in one batch. `next`
  // is stored with them: where a later scan goes on. Leases are merged, the later end wins. At most
  // kMaxScanBatch shares (invalid_argument).
  virtual Task<RecordedBatch> record_scanned(std::vector<ScannedShare> shares, ScanCursor next) = 0;
  // Takes up what an earlier index had written down, oldest first: rows that the rebuild has not
  // come to are as told, and stay in doubt; what requests or the scan have settled keeps its row
  // and gets the leases. At most kMaxScanBatch. Repeating it is no harm. conflict: none is under
  // way.
  virtual Task<void> record_remembered(std::vector<RememberedShare> shares) = 0;
  // Storage indexes with rows that the rebuild has not come to, behind `after` (nothing: from the
  // beginning), in the index's own order, once each; looks at no more than `limit` rows. At the
  // end of a scan: what was known and was not listed.
  virtual Result<UnseenPage> unseen(std::optional<ShareId> after, std::size_t limit) = 0;
  // The scan is complete: rows it has not seen go (lost ones stay), in pieces, then the rebuild is
  // over. Answers how many went. conflict: none is under way.
  virtual Task<std::uint64_t> finish_rebuild() = 0;

  static constexpr std::size_t kMaxScanBatch = 16384;
};

}  // namespace sharestore
