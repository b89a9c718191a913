#include "storage_server/shares/lease_saver.h"

#include <utility>
#include <vector>

#include "backends/core/log.h"

namespace sharestore {

namespace {

// Under the slot's lock, so that no write of the same share file runs beside it. Answers the size
// of the file with its leases.
Task<std::uint64_t> save_one(OpContext context, Backend& backend, Slots& slots,
                             const UnsavedShare& unsaved) {
  auto held = co_await slots.hold(context, unsaved.share.storage_index);
  if (!held) co_return fail(std::move(held.error()));
  std::vector<LeaseUpdate> updates;
  for (const Lease& lease : unsaved.leases) updates.push_back({lease, {}});
  // A backend that changes the file in place waits for its readers: the idle one goes.
  slots.changed(unsaved.share);
  auto stored = co_await backend.store_leases(context, unsaved.share, std::move(updates));
  if (!stored) co_return fail(std::move(stored.error()));
  co_return co_await stored_size(context, backend, unsaved.share);
}

// A share that is gone or damaged takes no leases, now or later.
bool is_final(const Error& error) {
  return error.code() == Errc::not_found || error.code() == Errc::corrupt;
}

}  // namespace

Task<std::uint64_t> stored_size(OpContext context, Backend& backend, ShareId share) {
  auto reader = co_await backend.open(context, share);
  if (!reader) co_return fail(std::move(reader.error()));
  co_return (*reader)->info().stored_bytes;
}

Task<std::size_t> save_leases(OpContext context, Backend& backend, Slots& slots,
                              LeaseBacklog& backlog, std::size_t limit) {
  auto unsaved = backlog.unsaved(limit);
  if (!unsaved) co_return fail(std::move(unsaved.error()));
  std::vector<SavedLeases> saved;
  std::optional<Error> failure;
  for (UnsavedShare& share : *unsaved) {
    auto stored = co_await save_one(context, backend, slots, share);
    if (!stored && !is_final(stored.error())) {
      failure = std::move(stored.error());
      break;
    }
    if (!stored) {
      log::warning("leases of {} stay in the index only: {}", share.share.to_text(),
                   stored.error().message());
    }
    std::optional<std::uint64_t> size;
    if (stored) size = *stored;
    saved.push_back({share.share, std::move(share.leases), size});
  }
  const std::size_t count = saved.size();
  if (!saved.empty()) {
    auto acknowledged = co_await backlog.acknowledge_saved(std::move(saved));
    if (!acknowledged) co_return fail(std::move(acknowledged.error()));
  }
  if (failure) co_return fail(std::move(*failure));
  co_return count;
}

}  // namespace sharestore
