#include "storage_server/shares/slots.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "backends/core/log.h"

namespace sharestore {

namespace {

// A share of unknown lease is kept at least this long (architecture.md section 5).
constexpr std::int64_t kStarterLeaseSeconds = 60LL * 24 * 60 * 60;

bool is_visible(const ShareRow& row) {
  return row.state == ShareState::present || row.state == ShareState::unread;
}

const ShareRow* find_row(const std::vector<ShareRow>& rows, ShareNumber number) {
  const auto found =
      std::ranges::find(rows, number, [](const ShareRow& r) { return r.info.number; });
  return found == rows.end() ? nullptr : &*found;
}

}  // namespace

const ShareRow* HeldSlot::any(ShareNumber number) const { return find_row(shares, number); }

const ShareRow* HeldSlot::present(ShareNumber number) const {
  const ShareRow* row = any(number);
  return row != nullptr && is_visible(*row) ? row : nullptr;
}

bool HeldSlot::holds(ShareKind kind) const {
  return std::ranges::any_of(
      shares, [kind](const ShareRow& row) { return is_visible(row) && row.info.kind == kind; });
}

Result<Slot> Slots::look(const StorageIndex& storage_index,
                         const std::vector<ShareNumber>& wanted) {
  auto slot = index_.find(storage_index);
  if (slot && is_distrusted(storage_index)) slot->doubtful = true;
  if (!slot || slot->doubtful || !backend_.traits().listings_may_lag) return slot;
  const std::int64_t rebuilt_at = index_.rebuilt_at();
  if (rebuilt_at == 0) return slot;
  const std::int64_t age = unix_seconds(clock_.utc_now()) - rebuilt_at;
  if (age >= kDistrustSeconds) return slot;
  slot->doubtful = wanted.empty() ? slot->shares.empty()
                                  : std::ranges::any_of(wanted, [&slot](ShareNumber number) {
                                      return find_row(slot->shares, number) == nullptr;
                                    });
  return slot;
}

Task<HeldSlot> Slots::hold(OpContext context, StorageIndex storage_index,
                           std::vector<ShareNumber> wanted) {
  HeldSlot held;
  held.storage_index = storage_index;
  auto lock = co_await locks_.lock(context, storage_index);
  if (!lock) co_return fail(std::move(lock.error()));
  held.lock = std::move(*lock);
  auto slot = look(storage_index, wanted);
  if (slot && slot->doubtful) {
    auto settled = co_await settle(context, storage_index, std::move(wanted));
    if (!settled) co_return fail(std::move(settled.error()));
    slot = index_.find(storage_index);
  }
  if (!slot) co_return fail(std::move(slot.error()));
  held.shares = std::move(slot->shares);
  auto read = co_await read_headers(context, held);
  if (!read) co_return fail(std::move(read.error()));
  co_return held;
}

Task<void> Slots::settle(OpContext context, StorageIndex storage_index,
                         std::vector<ShareNumber> expected) {
  auto slot = index_.find(storage_index);
  if (!slot) co_return fail(std::move(slot.error()));
  for (const ShareRow& row : slot->shares) expected.push_back(row.info.number);
  auto found = co_await backend_.list(context, storage_index, std::move(expected));
  if (!found) co_return fail(found.error().with_context("settling " + storage_index.to_text()));
  std::vector<Leases> leases(found->size());
  for (std::size_t i = 0; i < found->size(); ++i) {
    const ShareId share{storage_index, (*found)[i].number};
    readers_.drop(share);
    auto in_file = co_await backend_.load_leases(context, share);
    if (!in_file) co_return fail(std::move(in_file.error()));
    leases[i] = std::move(*in_file);
  }
  for (const ShareRow& row : slot->shares) readers_.drop({storage_index, row.info.number});
  const std::int64_t now = unix_seconds(clock_.utc_now());
  Status settled = co_await index_.settle_slot(storage_index, std::move(*found), std::move(leases),
                                               now + kStarterLeaseSeconds, now);
  if (settled) trust(storage_index);
  co_return settled;
}

void Slots::distrust(const StorageIndex& storage_index, RecordedFlag recorded) {
  // The backend had the slot marked: the index does not forget that.
  if (const auto slot = index_.find(storage_index); slot && slot->doubtful) return;
  const std::lock_guard hold(distrusted_mutex_);
  distrusted_[storage_index].push_back(std::move(recorded));
  distrusted_count_ = distrusted_.size();
}

bool Slots::is_distrusted(const StorageIndex& storage_index) const {
  if (distrusted_count_ == 0) return false;
  const std::lock_guard hold(distrusted_mutex_);
  return distrusted_.contains(storage_index);
}

void Slots::trust(const StorageIndex& storage_index) {
  if (distrusted_count_ == 0) return;
  const std::lock_guard hold(distrusted_mutex_);
  const auto found = distrusted_.find(storage_index);
  if (found == distrusted_.end()) return;
  for (const auto& recorded : found->second) *recorded = true;
  distrusted_.erase(found);
  distrusted_count_ = distrusted_.size();
}

Task<void> Slots::read_headers(OpContext context, HeldSlot& slot) {
  for (ShareRow& row : slot.shares) {
    if (row.state != ShareState::unread) continue;
    const ShareId share{slot.storage_index, row.info.number};
    auto reader = co_await open_held(context, share);
    if (!reader && reader.error().code() == Errc::not_found) {
      row.state = ShareState::lost;
      continue;
    }
    if (!reader) co_return fail(std::move(reader.error()));
    row.info = (*reader)->info();
    row.state = ShareState::present;
    SlotUpdate update;
    update.storage_index = slot.storage_index;
    update.changed.push_back(row.info);
    update.now = unix_seconds(clock_.utc_now());
    auto stored = co_await index_.finish_slot_write(std::move(update));
    if (!stored) co_return fail(std::move(stored.error()));
  }
  co_return Status{};
}

Task<std::shared_ptr<ShareReader>> Slots::open_held(OpContext context, ShareId share) {
  if (auto reader = readers_.find(share)) co_return reader;
  auto opening = readers_.begin_opening(share);
  if (!opening) co_return fail(Errc::not_found, "share " + share.to_text() + " is being removed");
  auto reader = co_await backend_.open(context, share);
  if (reader) {
    opening->keep(*reader);
    const std::lock_guard hold(missing_mutex_);
    first_missed_.erase(share);
    co_return std::move(*reader);
  }
  if (reader.error().code() == Errc::not_found) {
    auto lost = co_await missing(share);
    if (!lost) co_return fail(std::move(lost.error()));
  } else if (reader.error().code() == Errc::corrupt) {
    auto moved = co_await damaged(context, share, reader.error());
    if (!moved) co_return fail(std::move(moved.error()));
  } else {
    co_return fail(std::move(reader.error()));
  }
  co_return fail(Errc::not_found, "share " + share.to_text() + " is lost");
}

Task<std::shared_ptr<ShareReader>> Slots::open(OpContext context, ShareId share) {
  if (auto reader = readers_.find(share)) co_return reader;
  auto slot = look(share.storage_index, {share.number});
  if (!slot) co_return fail(std::move(slot.error()));
  const ShareRow* row = find_row(slot->shares, share.number);
  if (!slot->doubtful) {
    if (row == nullptr || !is_visible(*row)) {
      co_return fail(Errc::not_found, "no share " + share.to_text());
    }
    auto opening = row->state == ShareState::present ? readers_.begin_opening(share) : std::nullopt;
    if (opening) {
      auto reader = co_await backend_.open(context, share);
      if (reader) opening->keep(*reader);
      const bool wrong = !reader && (reader.error().code() == Errc::not_found ||
                                     reader.error().code() == Errc::corrupt);
      if (!wrong) co_return reader;
    }
  }
  auto held = co_await hold(context, share.storage_index, {share.number});
  if (!held) co_return fail(std::move(held.error()));
  if (held->present(share.number) == nullptr) {
    co_return fail(Errc::not_found, "no share " + share.to_text());
  }
  co_return co_await open_held(context, share);
}

Task<void> Slots::finish_removals(OpContext context, HeldSlot& slot) {
  for (const ShareRow& row : slot.shares) {
    if (row.state != ShareState::going) continue;
    const ShareId share{slot.storage_index, row.info.number};
    auto removed = co_await backend_.remove(context, share);
    if (!removed) co_return fail(removed.error().with_context("removing " + share.to_text()));
    auto forgotten = co_await index_.forget(share);
    if (!forgotten) co_return forgotten;
  }
  std::erase_if(slot.shares, [](const ShareRow& row) { return row.state == ShareState::going; });
  co_return Status{};
}

Task<void> Slots::missing(ShareId share) {
  const Monotonic now = clock_.now();
  bool lost = false;
  {
    const std::lock_guard hold(missing_mutex_);
    if (first_missed_.size() >= kMaxMissing) first_missed_.erase(first_missed_.begin());
    const auto seen = first_missed_.emplace(share, now).first;
    lost = now - seen->second >= kMissingGrace;
    if (lost) first_missed_.erase(seen);
  }
  if (!lost) {
    co_return fail(Errc::unavailable, "share " + share.to_text() +
                                          " is in the index, but the store does not have it; it is "
                                          "asked again before the share counts as lost");
  }
  log::error("share {} is lost: the store said twice that it is not there", share.to_text());
  co_return co_await index_.set_state(share, ShareState::lost);
}

Task<std::string> Slots::damaged(OpContext context, ShareId share, Error error) {
  auto where = co_await backend_.quarantine(context, share);
  if (!where) co_return fail(std::move(where.error()));
  readers_.drop(share);
  log::error("share {} is damaged ({}); moved to {}", share.to_text(), error.message(), *where);
  auto marked = co_await index_.set_state(share, ShareState::lost);
  // A share that only the store knew needs no row.
  if (!marked && marked.error().code() != Errc::not_found) co_return fail(marked.error());
  co_return where;
}

}  // namespace sharestore
