// What happens to the shares of one storage index: mutable writes, settling, states.
#include <algorithm>

#include "storage_server/index/store.h"

namespace sharestore::index_db {

namespace {

StoredShare* find_number(std::vector<StoredShare>& slot, ShareNumber number) {
  for (StoredShare& share : slot) {
    if (share.row.info.number == number) return &share;
  }
  return nullptr;
}

bool contains(const std::vector<ShareNumber>& numbers, ShareNumber number) {
  return std::find(numbers.begin(), numbers.end(), number) != numbers.end();
}

}  // namespace

void Store::mark_unsaved(StoredShare& share, bool lease_only) {
  switch (kept_outside_) {
    case KeptOutside::nothing: share.unsaved.reset(); return;
    case KeptOutside::in_share_files:
      if (!is_listed(share.row.state)) {
        share.unsaved.reset();
      } else if (lease_only && share.row.info.container_version != 1 && !share.unsaved) {
        share.unsaved = now();
      }
      return;
    case KeptOutside::in_batches:
      if (!share.unsaved) share.unsaved = now();
      return;
  }
}

void Store::erase_row(const StoredShare& share) {
  rows_.remove(share);
  if (kept_outside_ == KeptOutside::in_batches) {
    removed_put_.run(share.storage_index, share.row.info.number, now());
  }
}

void Store::drop_share(const StoredShare& share) {
  erase_row(share);
  // A scan page that was read before must not bring it back.
  if (shared_.rebuild_generation.load() != 0) gone_put_.run(share.storage_index);
}

void Store::clear_doubt(const StorageIndex& si) {
  doubt_drop_.run(si);
  if (ok()) staged_doubts_ -= sqlite3_changes(connection_.handle());
}

void Store::begin_slot_write(const StorageIndex& si) {
  doubt_put_.run(si);
  if (ok()) staged_doubts_ += sqlite3_changes(connection_.handle());
}

Result<LeaseOutcome> Store::finish_slot_write(const SlotUpdate& update) {
  LeaseOutcome outcome;
  std::vector<StoredShare> slot = rows_.slot(update.storage_index);
  for (const ShareNumber number : update.removed) {
    if (const StoredShare* known = find_number(slot, number)) {
      drop_share(*known);
      std::erase_if(slot, [number](const StoredShare& s) { return s.row.info.number == number; });
    }
  }
  const auto lease_share = [&](StoredShare& share, bool lease_only) {
    if (!update.lease || !contains(update.leased, share.row.info.number)) return;
    if (!make_room_for_lease(share, *update.lease)) return;
    merge_lease(share.leases, *update.lease) ? ++outcome.added : ++outcome.renewed;
    if (lease_only) mark_unsaved(share, true);
  };
  for (const ShareInfo& info : update.changed) {
    const StoredShare* before = find_number(slot, info.number);
    StoredShare after = before != nullptr ? *before : StoredShare{};
    after.storage_index = update.storage_index;
    after.row = written_row(before != nullptr ? &before->row : nullptr, info, update.now);
    if (before != nullptr && before->row.state == ShareState::going) after.leases.clear();
    after.generation = generation_;
    lease_share(after, false);
    mark_unsaved(after, false);
    rows_.put(before, after);
    if (before == nullptr && kept_outside_ == KeptOutside::in_batches) {
      removed_drop_.run(after.storage_index, info.number);
    }
  }
  for (const StoredShare& share : slot) {
    const ShareNumber number = share.row.info.number;
    const bool is_changed =
        std::any_of(update.changed.begin(), update.changed.end(),
                    [number](const ShareInfo& info) { return info.number == number; });
    if (is_changed || !is_listed(share.row.state) || !contains(update.leased, number)) continue;
    StoredShare after = share;
    lease_share(after, true);
    rows_.put(&share, after);
  }
  clear_doubt(update.storage_index);
  return outcome;
}

void Store::settle_slot(const StorageIndex& si, const std::vector<ShareInfo>& shares,
                        const std::vector<Leases>& leases, std::int64_t starter_expiry,
                        std::int64_t now) {
  std::vector<StoredShare> slot = rows_.slot(si);
  std::vector<ShareNumber> there;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    there.push_back(shares[i].number);
    const StoredShare* before = find_number(slot, shares[i].number);
    StoredShare after = before != nullptr ? *before : StoredShare{};
    after.storage_index = si;
    after.row.info = shares[i];
    if (!after.row.info.enabler_digest && before != nullptr) {
      after.row.info.enabler_digest = before->row.info.enabler_digest;
    }
    if (before == nullptr) after.row.first_write = after.row.last_write = now;
    const Leases outside = i < leases.size() ? leases[i] : Leases();
    const bool is_newer = merge_outside(after, outside);
    if (after.leases.empty()) after.leases.push_back(starter_lease(starter_expiry));
    // A removal that was begun is completed, not forgotten.
    if (after.row.state != ShareState::going) after.row.state = ShareState::present;
    after.generation = generation_;
    mark_unsaved(after, is_newer && !outside.empty());
    rows_.put(before, after);
  }
  for (const StoredShare& share : slot) {
    if (contains(there, share.row.info.number)) continue;
    if (share.row.state == ShareState::lost) {
      StoredShare after = share;
      after.generation = generation_;
      rows_.put(&share, after);
    } else {
      drop_share(share);
    }
  }
  clear_doubt(si);
  drop_uploads(si, there);
  staged_settled_.push_back(si);
}

Status Store::set_state(const ShareId& share, ShareState state) {
  const auto before = rows_.find(share);
  if (!before) {
    if (!ok()) return {};
    return fail(Errc::not_found, "the index has no share " + share.to_text());
  }
  StoredShare after = *before;
  after.row.state = state;
  mark_unsaved(after, false);
  rows_.put(&*before, after);
  return {};
}

void Store::forget(const ShareId& share) {
  if (const auto row = rows_.find(share)) drop_share(*row);
}

void Store::set_stored_bytes(const ShareId& share, std::uint64_t stored_bytes) {
  const auto before = rows_.find(share);
  if (!before || before->row.info.stored_bytes == stored_bytes) return;
  StoredShare after = *before;
  after.row.info.stored_bytes = stored_bytes;
  rows_.put(&*before, after);
}

}  // namespace sharestore::index_db
