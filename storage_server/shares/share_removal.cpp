#include "storage_server/shares/share_removal.h"

#include <algorithm>
#include <utility>

#include "backends/core/log.h"

namespace sharestore {

namespace {

// Whether a lease in the share's file outlives `before`. Another program may have renewed there.
Task<bool> is_leased_in_file(OpContext context, Backend& backend, Slots& slots, ShareId share,
                             std::int64_t before) {
  auto leases = co_await backend.load_leases(context, share);
  if (leases) {
    co_return std::ranges::any_of(*leases,
                                  [before](const Lease& l) { return l.expires_at >= before; });
  }
  if (leases.error().code() != Errc::not_found && leases.error().code() != Errc::corrupt) {
    co_return fail(std::move(leases.error()));
  }
  // Missing or damaged: opening it does what such a share needs. It is not removed by expiry.
  auto opened = co_await slots.open_held(context, share);
  if (!opened && opened.error().code() != Errc::not_found) co_return fail(opened.error());
  co_return true;
}

}  // namespace

Task<bool> remove_if_expired(OpContext context, Backend& backend, Slots& slots, ExpiryView& expiry,
                             ShareId share, std::int64_t before) {
  auto slot = co_await slots.hold(context, share.storage_index);
  if (!slot) co_return fail(std::move(slot.error()));
  if (slot->present(share.number) == nullptr) co_return false;
  if (backend.traits().keeps_leases) {
    auto leased = co_await is_leased_in_file(context, backend, slots, share, before);
    if (!leased) co_return leased;
    if (*leased) {
      // The index learns what the file says, and the share comes up when that has ended.
      auto settled = co_await slots.settle(context, share.storage_index, {});
      if (!settled) co_return fail(std::move(settled.error()));
      co_return false;
    }
  }
  const auto removal = slots.begin_removal(share);
  if (!removal) co_return false;
  auto claimed = co_await expiry.claim_expired(share, before);
  if (!claimed || !*claimed) co_return claimed;
  for (ShareRow& row : slot->shares) {
    if (row.info.number == share.number) row.state = ShareState::going;
  }
  auto finished = co_await slots.finish_removals(context, *slot);
  if (!finished) co_return fail(std::move(finished.error()));
  co_return true;
}

Task<void> finish_removal(OpContext context, Slots& slots, ShareId share) {
  auto slot = co_await slots.hold(context, share.storage_index);
  if (!slot) co_return fail(std::move(slot.error()));
  co_return co_await slots.finish_removals(context, *slot);
}

Task<std::vector<TakenOut>> take_out(OpContext context, Backend& backend, Index& index,
                                     Slots& slots, StorageIndex storage_index,
                                     std::optional<ShareNumber> number) {
  auto slot = co_await slots.hold(context, storage_index);
  if (!slot) co_return fail(std::move(slot.error()));
  std::vector<TakenOut> taken;
  for (const ShareRow& row : slot->shares) {
    const ShareId share{storage_index, row.info.number};
    if ((number && *number != share.number) || slot->present(share.number) == nullptr) continue;
    auto where = co_await backend.quarantine(context, share);
    if (!where) co_return fail(std::move(where.error()));
    slots.changed(share);
    auto forgotten = co_await index.forget(share);
    if (!forgotten) co_return fail(std::move(forgotten.error()));
    log::warning("audit: share {} ({}, {} bytes) was taken out by hand; it is in {}",
                 share.to_text(), to_string(row.info.kind), row.info.stored_bytes, *where);
    taken.push_back({share.number, row.info.stored_bytes, std::move(*where)});
  }
  if (taken.empty()) {
    co_return fail(Errc::not_found, "no share " +
                                        (number ? ShareId{storage_index, *number}.to_text()
                                                : "of " + storage_index.to_text()) +
                                        " is here");
  }
  co_return taken;
}

}  // namespace sharestore
