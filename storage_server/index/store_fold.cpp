// Merging renewals from the log into their rows, in pieces, in order of storage index.
#include <algorithm>

#include "storage_server/index/store.h"

namespace sharestore::index_db {

namespace {

// Entries merged in one transaction: a few milliseconds of the writer's time.
constexpr std::size_t kFoldChunk = 512;
// Log rows deleted in one transaction; each holds the renewals of a group.
constexpr std::int64_t kTrimChunk = 512;
// The log may hold this many records per entry of memory before it is folded in any case: it is
// read whole at start.
constexpr std::uint64_t kLogRecordsPerEntry = 4;

}  // namespace

bool Store::fold_is_urgent() const {
  const PendingLeases& pending = shared_.pending;
  return pending.size() >= pending.capacity() / 4 * 3 ||
         log_records_ >= kLogRecordsPerEntry * pending.capacity();
}

void Store::begin_fold() {
  if (fold_.running) return;
  fold_ = {};
  fold_.running = true;
  fold_.merging = true;
  // Renewals that come while the pass runs stay in the log for the next one.
  fold_.last_seq = next_seq_ - 1;
  fold_.log_records = log_records_;
}

void Store::merge_renewals(const StorageIndex& si) {
  for (const StoredShare& share : rows_.slot(si)) {
    // In every state: a lost share may come back and its leases with it.
    StoredShare after = share;
    if (!shared_.pending.apply(si, after.leases)) continue;
    mark_unsaved(after, true);
    rows_.put_leases(share, after);
  }
}

Status Store::fold_step() {
  const PendingLeases& pending = shared_.pending;
  while (fold_.merging && fold_.batch_done == fold_.batch.size()) {
    if (fold_.next_first_byte > 255) {
      fold_.merging = false;
      break;
    }
    // So many first bytes that a few chunks come out of one look at the table.
    const std::size_t width = std::clamp<std::size_t>(
        256 * 2 * kFoldChunk / std::max<std::size_t>(pending.size(), 1), 1, 256);
    const int last = static_cast<int>(
        std::min<std::size_t>(static_cast<std::size_t>(fold_.next_first_byte) + width - 1, 255));
    fold_.batch = pending.starting_with(fold_.next_first_byte, last);
    fold_.batch_done = 0;
    fold_.next_first_byte = last + 1;
  }
  begin();
  if (fold_.merging) {
    const std::size_t end = std::min(fold_.batch_done + kFoldChunk, fold_.batch.size());
    const std::span<const PendingRenewal> piece(fold_.batch.data() + fold_.batch_done,
                                                end - fold_.batch_done);
    const StorageIndex* previous = nullptr;
    for (const PendingRenewal& renewal : piece) {
      if (previous == nullptr || *previous != renewal.storage_index) {
        merge_renewals(renewal.storage_index);
      }
      previous = &renewal.storage_index;
    }
    Status status = commit();
    if (!status) return status;
    // What was looked up above may be newer than the piece: the entry then stays for the next pass.
    shared_.pending.drop(piece);
    fold_.batch_done = end;
    return status;
  }
  log_trim_.run(fold_.last_seq, kTrimChunk);
  const bool is_last = ok() && sqlite3_changes(connection_.handle()) < kTrimChunk;
  if (is_last) connection_.exec("delete from expiry_day where shares=0 and bytes=0");
  Status status = commit();
  if (status && is_last) {
    log_records_ -= fold_.log_records;
    fold_ = {};
  }
  return status;
}

}  // namespace sharestore::index_db
