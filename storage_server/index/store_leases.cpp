// Adding and renewing leases, and taking shares whose leases have ended.
#include <algorithm>

#include "storage_server/index/store.h"

namespace sharestore::index_db {

Status Store::make_room_for_lease(StoredShare& share, const Lease& lease) const {
  Leases& leases = share.leases;
  if (leases.size() < kMaxLeasesPerShare || find_lease(leases, lease.renew_digest) != nullptr) {
    return {};
  }
  const auto earliest =
      std::min_element(leases.begin(), leases.end(),
                       [](const Lease& a, const Lease& b) { return a.expires_at < b.expires_at; });
  if (earliest->expires_at >= now()) {
    return fail(Errc::no_space, "share " + share.id().to_text() + " has " +
                                    std::to_string(leases.size()) +
                                    " unexpired leases, the most that are kept");
  }
  leases.erase(earliest);
  return {};
}

bool Store::merge_outside(StoredShare& share, Leases outside) const {
  for (const Lease& lease : outside) {
    if (make_room_for_lease(share, lease)) merge_lease(share.leases, lease);
  }
  return std::any_of(share.leases.begin(), share.leases.end(), [&outside](const Lease& lease) {
    const Lease* there = find_lease(outside, lease.renew_digest);
    return !is_starter(lease) && (there == nullptr || there->expires_at < lease.expires_at);
  });
}

Result<LeaseOutcome> Store::add_or_renew(const StorageIndex& si,
                                         const std::vector<ShareNumber>& numbers,
                                         const Lease& lease) {
  std::vector<StoredShare> slot = rows_.slot(si);
  LeaseOutcome outcome;
  // Whether the log's word "every share of this storage index with this lease" is the request's.
  bool whole = true;
  bool is_news = false;
  std::vector<std::pair<StoredShare*, bool>> named;  // and whether it has the lease
  for (StoredShare& share : slot) {
    if (!is_listed(share.row.state)) continue;
    const Lease* known = find_lease(share.leases, lease.renew_digest);
    if (!numbers.empty() &&
        std::find(numbers.begin(), numbers.end(), share.row.info.number) == numbers.end()) {
      whole = whole && known == nullptr;
      continue;
    }
    named.emplace_back(&share, known != nullptr);
    known != nullptr ? ++outcome.renewed : ++outcome.added;
    is_news = is_news || (known != nullptr && known->expires_at < lease.expires_at);
  }
  if (named.empty()) {
    return fail(Errc::not_found, "no share of " + si.to_text() + " to lease");
  }
  for (const auto& [share, has] : named) {
    if (has) continue;
    StoredShare trial = *share;
    if (Status room = make_room_for_lease(trial, lease); !room) return fail(room.error());
  }
  is_news = is_news && is_later_than_log(si, lease);
  const bool to_log = whole && fits_log(lease);
  if (is_news && to_log) log_renewal(si, lease);
  for (const auto& [share, has] : named) {
    if (has && (to_log || !is_news)) continue;
    StoredShare after = *share;
    (void)make_room_for_lease(after, lease);
    merge_lease(after.leases, lease);
    mark_unsaved(after, true);
    rows_.put_leases(*share, after);
  }
  shared_.activity.renewal = now();
  return outcome;
}

bool Store::is_settled(const StorageIndex& si) {
  if (shared_.rebuild_generation.load() != 0 || staged_rebuild_ || shared_.is_leftover(si)) {
    return false;
  }
  if (shared_.doubtful_slots.load() + staged_doubts_ == 0) return true;
  auto doubt = doubt_of_.query(si);
  return !doubt.step();
}

bool Store::fits_log(const Lease& lease) const {
  return fits_pending(lease.expires_at) &&
         shared_.pending.size() + staged_renewals_.size() < shared_.pending.capacity();
}

bool Store::is_later_than_log(const StorageIndex& si, const Lease& lease) const {
  return shared_.pending.find(si, lease.renew_digest).value_or(-1) < lease.expires_at;
}

void Store::log_renewal(const StorageIndex& si, const Lease& lease) {
  staged_renewals_.push_back(
      {si, tag_of(lease.renew_digest), static_cast<std::uint32_t>(lease.expires_at)});
}

bool Store::renew(const StorageIndex& si, const Lease& lease) {
  if (!is_settled(si)) return false;
  std::vector<StoredShare> slot = rows_.slot(si);
  bool any = false;
  bool is_news = false;
  for (StoredShare& share : slot) {
    if (!is_listed(share.row.state)) continue;
    const Lease* known = find_lease(share.leases, lease.renew_digest);
    const bool needs_file = share.row.info.container_version == 1;
    if (known == nullptr || needs_file || share.row.state == ShareState::unread) return false;
    any = true;
    is_news = is_news || known->expires_at < lease.expires_at;
  }
  if (!any) return false;
  if (is_news && is_later_than_log(si, lease)) {
    if (!fits_log(lease)) return false;
    log_renewal(si, lease);
  }
  shared_.activity.renewal = now();
  return true;
}

bool Store::claim_expired(const ShareId& share, std::int64_t before) {
  auto row = rows_.find(share);
  if (!row || !is_listed(row->row.state) || row->leases.empty()) return false;
  Leases leases = row->leases;
  shared_.pending.apply(share.storage_index, leases);
  if (latest_expiry(leases) >= before) return false;
  // A renewal of this very transaction counts, whatever it says.
  for (const PendingRenewal& renewal : staged_renewals_) {
    if (renewal.storage_index == share.storage_index) return false;
  }
  auto doubt = doubt_of_.query(share.storage_index);
  if (doubt.step()) return false;
  auto upload = upload_of_.query(share.storage_index, share.number);
  if (upload.step() || !ok()) return false;
  return set_state(share, ShareState::going).has_value();
}

void Store::move_due(const std::vector<ShareId>& shares) {
  for (const ShareId& share : shares) {
    const auto row = rows_.find(share);
    if (!row) continue;
    Leases leases = row->leases;
    shared_.pending.apply(share.storage_index, leases);
    const std::int64_t due = latest_expiry(leases);
    if (due > row->due) rows_.set_due(share, due);
  }
}

void Store::acknowledge_saved(const std::vector<SavedLeases>& saved) {
  for (const SavedLeases& one : saved) {
    if (one.stored_bytes) set_stored_bytes(one.share, *one.stored_bytes);
    const auto row = rows_.find(one.share);
    if (!row || !row->unsaved) continue;
    Leases written = one.leases;
    const bool is_current =
        std::all_of(row->leases.begin(), row->leases.end(), [&written](const Lease& lease) {
          const Lease* there = find_lease(written, lease.renew_digest);
          return there != nullptr && there->expires_at >= lease.expires_at;
        });
    if (!is_current) continue;
    StoredShare after = *row;
    after.unsaved.reset();
    rows_.put_leases(*row, after);
  }
}

void Store::acknowledge_removed(const std::vector<RemovedShare>& removed) {
  for (const RemovedShare& one : removed) {
    removed_ack_.run(one.share.storage_index, one.share.number, one.at);
  }
}

}  // namespace sharestore::index_db
