#include "storage_server/state/state_keeper.h"

#include <algorithm>
#include <utility>

#include "backends/core/limits.h"
#include "backends/core/log.h"

namespace sharestore {

namespace {

// Rows taken from the index at once; their leases are in memory meanwhile.
constexpr std::size_t kRowsAtOnce = 256;
// What a row and a lease take in a blob, to guess a snapshot's size.
constexpr std::uint64_t kRowBytes = 100;
constexpr std::uint64_t kLeaseBytes = 76;
// Snapshots that stay, the newest included.
constexpr std::size_t kSnapshotsKept = 2;

std::vector<StateName> parse_names(const std::vector<std::string>& texts) {
  std::vector<StateName> names;
  for (const std::string& text : texts) {
    if (const auto name = StateName::from_text(text)) names.push_back(*name);
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace

OpContext StateKeeper::context() const { return {clock_, clock_.now() + limits::kRequestBudget}; }

// Milliseconds, so that a batch which a lagging listing does not show is never written over.
std::uint64_t StateKeeper::next_sequence() {
  const auto now = static_cast<std::uint64_t>(unix_seconds(clock_.utc_now())) * 1000;
  last_sequence_ = std::max(last_sequence_ + 1, now);
  return last_sequence_;
}

Task<void> StateKeeper::learn() {
  if (learnt_) co_return Status{};
  auto listed = co_await backend_.list_state(context());
  if (!listed) co_return fail(std::move(listed.error()));
  for (const StateName& name : parse_names(*listed)) {
    last_sequence_ = std::max(last_sequence_, name.sequence);
    if (name.kind == StateKind::batch) ++batches_;
    if (name.kind == StateKind::snapshot_end) batches_ = 0;
  }
  learnt_ = true;
  co_return Status{};
}

Task<void> StateKeeper::put(StateName name, Bytes blob) {
  auto written = co_await backend_.put_state(context(), name.to_text(), std::move(blob));
  if (!written) co_return fail(written.error().with_context("writing " + name.to_text()));
  co_return Status{};
}

// True: there is more.
Task<bool> StateKeeper::write_batch() {
  // Removals first, read and applied: what is there again by the time the rows are read wins.
  auto removed = index_.removed(kRowsAtOnce);
  if (!removed) co_return fail(std::move(removed.error()));
  auto unsaved = index_.unsaved(kRowsAtOnce);
  if (!unsaved) co_return fail(std::move(unsaved.error()));
  if (removed->empty() && unsaved->empty()) co_return false;
  const StateName name{next_sequence(), StateKind::batch, 0};
  StateWriter writer(name);
  for (const RemovedShare& share : *removed) writer.add(share.share, nullptr, {});
  std::vector<SavedLeases> saved;
  for (UnsavedShare& share : *unsaved) {
    if (writer.is_full()) break;
    writer.add(share.share, &share.row, share.leases);
    saved.push_back({share.share, std::move(share.leases)});
  }
  const bool more = saved.size() == kRowsAtOnce || saved.size() < unsaved->size() ||
                    removed->size() == kRowsAtOnce;
  Bytes blob = writer.finish();
  batch_bytes_ += blob.size();
  ++batches_;
  auto written = co_await put(name, std::move(blob));
  if (!written) co_return fail(std::move(written.error()));
  if (!saved.empty()) {
    auto acknowledged = co_await index_.acknowledge_saved(std::move(saved));
    if (!acknowledged) co_return fail(std::move(acknowledged.error()));
  }
  if (!removed->empty()) {
    auto acknowledged = co_await index_.acknowledge_removed(std::move(*removed));
    if (!acknowledged) co_return fail(std::move(acknowledged.error()));
  }
  co_return more;
}

Task<void> StateKeeper::write_batches() {
  next_batch_ = clock_.now() + kStateInterval;
  auto folded = co_await index_.fold_renewals();
  if (!folded) co_return folded;
  while (true) {
    auto more = co_await write_batch();
    if (!more) co_return fail(std::move(more.error()));
    if (!*more) co_return Status{};
  }
}

bool StateKeeper::snapshot_is_due() const {
  if (batches_ == 0) return false;
  const IndexTotals totals = index_.totals();
  const std::uint64_t whole =
      (totals.immutable_shares + totals.mutable_shares) * kRowBytes + totals.leases * kLeaseBytes;
  return batches_ >= kBatchesPerSnapshot || batch_bytes_ >= std::max(whole / 2, kMinSnapshotBytes);
}

Task<void> StateKeeper::write_snapshot() {
  auto rebuild = index_.rebuild_state();
  if (!rebuild) co_return fail(std::move(rebuild.error()));
  if (rebuild->has_value()) {
    co_return fail(Errc::conflict, "the index is being rebuilt: no snapshot of half of it");
  }
  auto learnt = co_await learn();
  if (!learnt) co_return learnt;
  StateName name{next_sequence(), StateKind::snapshot_part, 0};
  StateWriter writer(name);
  for (std::optional<ShareId> after;;) {
    auto page = index_.rows(after, kRowsAtOnce);
    if (!page) co_return fail(std::move(page.error()));
    for (const IndexRow& row : page->rows) {
      writer.add({row.storage_index, row.row.info.number}, &row.row, row.leases);
    }
    after = page->next;
    if (!writer.is_full() && after) continue;
    if (!writer.is_empty()) {
      auto written = co_await put(name, writer.finish());
      if (!written) co_return written;
      ++name.part;
      writer = StateWriter(name);
    }
    if (!after) break;
    // A large snapshot does not make the batches wait.
    if (clock_.now() < next_batch_) continue;
    auto batches = co_await write_batches();
    if (!batches) co_return batches;
  }
  name.kind = StateKind::snapshot_end;
  auto ended = co_await put(name, StateWriter(name).finish());
  if (!ended) co_return ended;
  batches_ = 0;
  batch_bytes_ = 0;
  co_return co_await remove_replaced();
}

Task<void> StateKeeper::remove_replaced() {
  auto listed = co_await backend_.list_state(context());
  if (!listed) co_return fail(std::move(listed.error()));
  const std::vector<StateName> names = parse_names(*listed);
  std::vector<std::uint64_t> snapshots;
  for (const StateName& name : names) {
    if (name.kind == StateKind::snapshot_end) snapshots.push_back(name.sequence);
  }
  if (snapshots.empty()) co_return Status{};
  const std::uint64_t newest = snapshots.back();
  const bool has_spare = snapshots.size() >= kSnapshotsKept;
  const std::uint64_t oldest_kept = has_spare ? snapshots[snapshots.size() - kSnapshotsKept] : 0;
  for (const StateName& name : names) {
    const bool is_complete = std::ranges::binary_search(snapshots, name.sequence);
    const bool is_unfinished =
        name.kind == StateKind::snapshot_part && !is_complete && name.sequence < newest;
    if (name.sequence >= oldest_kept && !is_unfinished) continue;
    auto gone = co_await backend_.remove_state(context(), name.to_text());
    if (!gone) co_return gone;
  }
  co_return Status{};
}

Task<void> StateKeeper::round() {
  auto learnt = co_await learn();
  if (!learnt) co_return learnt;
  auto batches = co_await write_batches();
  if (!batches) co_return batches;
  auto rebuild = index_.rebuild_state();
  if (!rebuild) co_return fail(std::move(rebuild.error()));
  if (rebuild->has_value() || !snapshot_is_due()) co_return Status{};
  co_return co_await write_snapshot();
}

Task<void> StateKeeper::flush() {
  auto learnt = co_await learn();
  if (!learnt) co_return learnt;
  co_return co_await write_batches();
}

boost::asio::awaitable<void> StateKeeper::run(const std::atomic<bool>& stopping) {
  while (!stopping) {
    auto done = co_await round();
    if (!done) {
      log::warning("what changed is written into the bucket's state later: {}",
                   done.error().message());
    }
    if (!stopping) co_await clock_.sleep_until(clock_.now() + kStateInterval);
  }
}

}  // namespace sharestore
