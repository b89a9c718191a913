#include "storage_server/node/rebuild_run.h"

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <chrono>
#include <iterator>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "backends/core/log.h"
#include "storage_server/node/bucket_rebuild.h"
#include "storage_server/state/state_restore.h"

namespace sharestore {

using namespace boost::asio::experimental::awaitable_operators;

namespace {

constexpr std::chrono::minutes kPageBudget{5};
constexpr std::chrono::seconds kRetryAfter{30};
constexpr std::string_view kAlphabet = "234567abcdefghijklmnopqrstuvwxyz";  // in order of ASCII

// Shares of one storage index must be recorded together, but a page may end in the middle of one:
// its beginning waits here for the next page.
struct Carry {
  std::vector<ScannedShare> shares;
  // Where a scan must begin to meet them again.
  ScanCursor cursor;
};

// Splits off the last storage index of an unfinished scan's batch.
// `has_carry`: the batch begins with what was held back before.
void hold_back_last(std::vector<ScannedShare>& batch, Carry& carry, const ScanCursor& page_start,
                    bool has_carry) {
  // With the next page it must still be one batch.
  if (batch.empty() || batch.size() > IndexRebuild::kMaxScanBatch - kRebuildPageShares) return;
  const StorageIndex last = batch.back().share.storage_index;
  const auto first = std::ranges::find_if(
      batch, [&](const ScannedShare& found) { return found.share.storage_index == last; });
  const bool began_before = first == batch.begin() && has_carry;
  if (!began_before) carry.cursor = page_start;
  carry.shares.assign(std::make_move_iterator(first), std::make_move_iterator(batch.end()));
  batch.erase(first, batch.end());
}

void log_damage(const std::vector<ScannedShare>& shares) {
  for (const ScannedShare& found : shares) {
    if (found.damage.empty()) continue;
    log::warning("share {}/{} is damaged and not served: {}", found.share.storage_index.to_text(),
                 found.share.number, found.damage);
  }
}

// How far into all prefixes a storage index lies.
double place_of(const StorageIndex& index) {
  const std::string prefix = index.prefix();
  double place = 0;
  for (const char c : prefix) place = place * 32 + static_cast<double>(kAlphabet.find(c));
  return place / (32 * 32);
}

}  // namespace

Task<void> RebuildRun::request() {
  const auto state = index_.rebuild_state();
  if (!state) co_return fail(state.error());
  if (state->has_value()) co_return Status{};
  co_return co_await index_.begin_rebuild(unix_seconds(clock_.utc_now()) + kStarterLeaseSeconds);
}

RebuildProgress RebuildRun::progress() const {
  const auto state = index_.rebuild_state();
  return {state && state->has_value(), scanned_.load(), done_.load()};
}

Task<ScanPage> RebuildRun::scan_page(ScanCursor cursor) {
  co_return co_await backend_.scan(OpContext(clock_, clock_.now() + kPageBudget), cursor,
                                   kRebuildPageShares);
}

void RebuildRun::note(const ScanPage& page) {
  scanned_ += page.shares.size();
  if (!page.shares.empty()) done_ = place_of(page.shares.back().share.storage_index);
}

Task<void> RebuildRun::scan_all(const std::atomic<bool>& stopping, RebuildState state) {
  scanned_ = 0;
  done_ = 0;
  RecordedBatch totals;
  Carry carry;
  ScanCursor cursor = std::move(state.cursor);
  auto page = co_await scan_page(cursor);
  while (true) {
    if (!page) co_return fail(std::move(page.error()));
    if (stopping) co_return fail(Errc::cancelled, "the node stops");
    note(*page);
    log_damage(page->shares);
    const bool has_carry = !carry.shares.empty();
    std::vector<ScannedShare> batch = std::exchange(carry.shares, {});
    std::ranges::move(page->shares, std::back_inserter(batch));
    ScanCursor stored = page->next;
    if (!page->finished) {
      hold_back_last(batch, carry, cursor, has_carry);
      if (!carry.shares.empty()) stored = carry.cursor;
    }
    const bool finished = page->finished;
    auto record = index_.record_scanned(std::move(batch), std::move(stored));
    Result<RecordedBatch> recorded;
    if (finished) {
      recorded = co_await std::move(record);
    } else {
      cursor = page->next;
      // The next shares are read while these are written down.
      std::tie(recorded, page) = co_await (std::move(record) && scan_page(cursor));
    }
    if (!recorded) co_return fail(std::move(recorded.error()));
    totals.add(*recorded);
    if (finished) break;
  }
  if (backend_.traits().listings_may_lag) {
    auto asked = co_await ask_for_unseen(store_, index_, clock_, stopping);
    if (!asked) co_return asked;
  }
  if (!backend_.traits().scan_reads_headers) {
    auto noted = co_await note_unread_headers(index_);
    if (!noted) co_return noted;
  }
  auto gone = co_await index_.finish_rebuild();
  if (!gone) co_return fail(std::move(gone.error()));
  log::info("index rebuilt: {} shares added, {} updated, {} gone, {} damaged", totals.added,
            totals.updated, *gone + totals.vanished, totals.damaged);
  co_return Status{};
}

Task<void> RebuildRun::finish(const std::atomic<bool>& stopping) {
  auto state = index_.rebuild_state();
  if (!state) co_return fail(std::move(state.error()));
  if (!state->has_value()) co_return Status{};
  if (!backend_.traits().keeps_leases) {
    auto restored = co_await restore_state(backend_, index_, clock_, stopping);
    if (!restored) co_return restored;
  }
  co_return co_await scan_all(stopping, std::move(**state));
}

boost::asio::awaitable<void> RebuildRun::complete(const std::atomic<bool>& stopping) {
  while (!stopping) {
    auto done = co_await finish(stopping);
    if (done) done = co_await read_unread_headers(store_, index_, clock_, stopping);
    if (done || stopping) co_return;
    log::warning("the index cannot be rebuilt now, and will be later: {}", done.error().message());
    co_await clock_.sleep_until(clock_.now() + kRetryAfter);
  }
}

boost::asio::awaitable<void> RebuildRun::run(const std::atomic<bool>& stopping) {
  while (!stopping) {
    co_await complete(stopping);
    if (stopping) co_return;
    co_await clock_.sleep_until(clock_.now() + kLookEvery);
  }
}

}  // namespace sharestore
