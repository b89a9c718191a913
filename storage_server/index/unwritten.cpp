#include "storage_server/index/unwritten.h"

#include <algorithm>
#include <utility>

#include "storage_server/index/lease_pack.h"
#include "storage_server/index/share_rows.h"

namespace sharestore::index_db {

namespace {

bool contains(const std::vector<ShareNumber>& numbers, ShareNumber number) {
  return std::ranges::find(numbers, number) != numbers.end();
}

}  // namespace

void Unwritten::add(Change change) {
  const std::lock_guard lock(mutex_);
  changes_[change->storage_index].push_back(std::move(change));
  ++count_;
}

void Unwritten::drop(const Change& change) {
  const std::lock_guard lock(mutex_);
  const auto slot = changes_.find(change->storage_index);
  if (slot == changes_.end()) return;
  count_ -= std::erase(slot->second, change);
  if (slot->second.empty()) changes_.erase(slot);
}

std::vector<Unwritten::Change> Unwritten::of(const StorageIndex& storage_index) const {
  if (count_.load() == 0) return {};
  const std::lock_guard lock(mutex_);
  const auto slot = changes_.find(storage_index);
  return slot == changes_.end() ? std::vector<Change>() : slot->second;
}

ShareRow written_row(const ShareRow* before, const ShareInfo& info, std::int64_t now) {
  ShareRow row;
  row.info = info;
  if (!info.enabler_digest && before != nullptr) {
    row.info.enabler_digest = before->info.enabler_digest;
  }
  const bool is_new = before == nullptr || !is_listed(before->state);
  row.first_write = is_new ? now : before->first_write;
  row.last_write = now;
  row.state = ShareState::present;
  return row;
}

void lay_over(const SlotUpdate& change, Slot& slot) {
  std::erase_if(slot.shares, [&change](const ShareRow& row) {
    return contains(change.removed, row.info.number);
  });
  for (const ShareInfo& info : change.changed) {
    const auto at = std::ranges::lower_bound(slot.shares, info.number, {},
                                             [](const ShareRow& row) { return row.info.number; });
    const bool is_there = at != slot.shares.end() && at->info.number == info.number;
    const ShareRow row = written_row(is_there ? &*at : nullptr, info, change.now);
    if (is_there) {
      *at = row;
    } else {
      slot.shares.insert(at, row);
    }
  }
  slot.doubtful = false;
}

void lay_over(const SlotUpdate& change, ShareNumber number, std::optional<Leases>& leases) {
  if (contains(change.removed, number)) leases.reset();
  if (std::ranges::find(change.changed, number, &ShareInfo::number) == change.changed.end()) return;
  if (!leases) leases.emplace();
  if (change.lease && contains(change.leased, number)) merge_lease(*leases, *change.lease);
}

}  // namespace sharestore::index_db
