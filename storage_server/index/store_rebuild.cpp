// Recording what a scan of the backend finds.
#include <algorithm>
#include <string>

#include "storage_server/index/store.h"

namespace sharestore::index_db {

namespace {

constexpr std::string_view kGeneration = "index.rebuild.generation";
constexpr std::string_view kRunning = "index.rebuild.running";
constexpr std::string_view kCursor = "index.rebuild.cursor";
constexpr std::string_view kEnded = "index.rebuild.ended";
constexpr std::string_view kStarterExpiry = "index.rebuild.starter_expiry";

const StoredShare* find_number(const std::vector<StoredShare>& slot, ShareNumber number) {
  for (const StoredShare& share : slot) {
    if (share.row.info.number == number) return &share;
  }
  return nullptr;
}

// What the row says once the scan's words are added to what it knew.
ShareInfo scanned_info(const ScannedShare& scanned, const StoredShare* before, ShareState& state) {
  ShareInfo info;
  if (scanned.info) {
    info = *scanned.info;
    state = ShareState::present;
  } else if (before != nullptr && before->row.state == ShareState::present &&
             before->row.info.stored_bytes == scanned.stored_bytes) {
    info = before->row.info;
    state = ShareState::present;
  } else {
    if (before != nullptr) info = before->row.info;
    info.stored_bytes = scanned.stored_bytes;
    state = ShareState::unread;
  }
  info.number = scanned.share.number;
  if (!info.enabler_digest && before != nullptr) {
    info.enabler_digest = before->row.info.enabler_digest;
  }
  return info;
}

}  // namespace

void Store::begin_rebuild(std::int64_t starter_expiry) {
  const std::int64_t next = generation_ + 1;
  generation_before_ = generation_;
  generation_ = next;
  starter_expiry_ = starter_expiry;
  set_value(kGeneration, std::to_string(next));
  set_value(kRunning, "1");
  set_value(kCursor, "");
  set_value(kStarterExpiry, std::to_string(starter_expiry));
  connection_.exec("delete from gone");
  staged_rebuild_ = next;
}

bool Store::is_known_in_rebuild(const StorageIndex& si, const std::vector<StoredShare>& slot) {
  const bool stamped = std::any_of(slot.begin(), slot.end(), [this](const StoredShare& share) {
    return share.generation == generation_;
  });
  if (stamped) return true;
  auto gone = gone_of_.query(si);
  return gone.step();
}

void Store::record_share(const ScannedShare& scanned, std::vector<StoredShare>& slot,
                         RecordedBatch& outcome) {
  const StoredShare* before = find_number(slot, scanned.share.number);
  StoredShare after = before != nullptr ? *before : StoredShare{};
  after.storage_index = scanned.share.storage_index;
  after.generation = generation_;
  if (!scanned.damage.empty()) {
    ++outcome.damaged;
    if (before == nullptr) return;
    after.row.state = ShareState::lost;
    rows_.put(before, after);
    return;
  }
  ShareState state = ShareState::unread;
  after.row.info = scanned_info(scanned, before, state);
  // A removal that was begun is completed, not forgotten.
  if (before == nullptr || before->row.state != ShareState::going) after.row.state = state;
  if (before == nullptr) after.row.first_write = after.row.last_write = now();
  const bool is_newer = merge_outside(after, scanned.leases);
  if (after.leases.empty()) after.leases.push_back(starter_lease(starter_expiry_));
  if (is_newer || kept_outside_ == KeptOutside::in_batches) mark_unsaved(after, is_newer);
  // Entries of one day lie together in order of storage index, as the scan brings them: appending
  // to a few pages in place of a page each.
  const std::int64_t expiry = latest_expiry(after.leases);
  if (before == nullptr && expiry != kNever) after.due = day_of(expiry) * kSecondsPerDay;
  rows_.put(before, after);
  ++(before == nullptr ? outcome.added : outcome.updated);
}

RecordedBatch Store::record_scanned(const std::vector<ScannedShare>& shares,
                                    const ScanCursor& next) {
  RecordedBatch outcome;
  std::vector<const ScannedShare*> order;
  order.reserve(shares.size());
  for (const ScannedShare& share : shares) order.push_back(&share);
  std::sort(order.begin(), order.end(),
            [](const ScannedShare* a, const ScannedShare* b) { return a->share < b->share; });
  for (std::size_t begin = 0; begin < order.size() && ok();) {
    const StorageIndex& si = order[begin]->share.storage_index;
    std::size_t end = begin;
    while (end < order.size() && order[end]->share.storage_index == si) ++end;
    std::vector<StoredShare> slot = rows_.slot(si);
    if (is_known_in_rebuild(si, slot)) {
      outcome.skipped += end - begin;
      begin = end;
      continue;
    }
    for (const StoredShare& share : slot) {
      const bool is_there = std::any_of(order.begin() + static_cast<std::ptrdiff_t>(begin),
                                        order.begin() + static_cast<std::ptrdiff_t>(end),
                                        [&share](const ScannedShare* scanned) {
                                          return scanned->share.number == share.row.info.number;
                                        });
      if (is_there) continue;
      if (share.row.state == ShareState::lost) {
        StoredShare after = share;
        after.generation = generation_;
        rows_.put(&share, after);
      } else {
        erase_row(share);
        ++outcome.vanished;
      }
    }
    for (; begin < end; ++begin) {
      // A store that reports a share twice is believed once.
      if (begin > 0 && order[begin - 1]->share == order[begin]->share) continue;
      record_share(*order[begin], slot, outcome);
    }
  }
  set_value(kCursor, next.position);
  return outcome;
}

void Store::record_remembered(const std::vector<RememberedShare>& shares) {
  for (const RememberedShare& told : shares) {
    const std::vector<StoredShare> slot = rows_.slot(told.share.storage_index);
    const StoredShare* before = find_number(slot, told.share.number);
    if (is_known_in_rebuild(told.share.storage_index, slot)) {
      if (before == nullptr || !told.row) continue;
      StoredShare after = *before;
      // What is known takes the place of what was guessed.
      if (!told.leases.empty() &&
          std::none_of(told.leases.begin(), told.leases.end(), is_starter)) {
        std::erase_if(after.leases, is_starter);
      }
      if (merge_outside(after, told.leases)) mark_unsaved(after, true);
      rows_.put(before, after);
      continue;
    }
    if (!told.row) {
      if (before != nullptr) rows_.remove(*before);
      continue;
    }
    StoredShare after;
    after.storage_index = told.share.storage_index;
    after.row = *told.row;
    after.leases = told.leases;
    // Its removal had begun, and begins again where its leases have really ended.
    if (after.row.state == ShareState::going) after.row.state = ShareState::unread;
    after.generation = generation_ - 1;
    rows_.put(before, after);
  }
}

SweepStep Store::sweep_unseen(const ShareId& after, std::size_t limit) {
  SweepStep step;
  std::vector<std::pair<ShareId, std::int64_t>> seen;
  Statement rows(connection_,
                 "select si, num, generation from share where (si, num) > (?1, ?2) "
                 "order by si, num limit ?3");
  {
    auto row = rows.query(after.storage_index, after.number, std::uint64_t{limit});
    while (row.step()) {
      const auto number = static_cast<ShareNumber>(row.integer(1));
      seen.emplace_back(ShareId{row.storage_index(0), number}, row.integer(2));
    }
  }
  for (const auto& [id, generation] : seen) {
    if (generation >= generation_) continue;
    const std::vector<StoredShare> slot = rows_.slot(id.storage_index);
    const StoredShare* share = find_number(slot, id.number);
    if (share == nullptr || share->row.state == ShareState::lost) continue;
    if (is_known_in_rebuild(id.storage_index, slot)) continue;
    erase_row(*share);
    ++step.removed;
  }
  if (seen.size() == limit) step.next = seen.back().first;
  return step;
}

void Store::end_rebuild() {
  set_value(kRunning, "0");
  set_value(kCursor, "");
  set_value(kEnded, std::to_string(now()));
  connection_.exec("delete from gone");
  // Believed before it is durable: at worst the store is asked once too often.
  shared_.rebuilt_at = now();
  staged_rebuild_ = 0;
}

}  // namespace sharestore::index_db
