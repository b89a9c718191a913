#include "storage_server/shares/slot_check.h"

#include <fmt/format.h>

#include <optional>
#include <set>
#include <utility>

#include "storage_server/shares/row_comparison.h"

namespace sharestore {

namespace {

struct FoundShare {
  ShareInfo info;
  Leases leases;  // where the backend keeps any
};

// What the store has; nothing: it is missing.
Task<std::optional<FoundShare>> look(OpContext context, Backend& backend, ShareId share) {
  auto reader = co_await backend.open(context, share);
  if (!reader && reader.error().code() == Errc::not_found) co_return std::nullopt;
  if (!reader) co_return fail(std::move(reader.error()));
  const ShareInfo info = (*reader)->info();
  reader->reset();
  auto leases = co_await backend.load_leases(context, share);
  if (!leases) co_return fail(std::move(leases.error()));
  co_return FoundShare{info, std::move(*leases)};
}

Task<std::optional<ShareFault>> examine_share(OpContext context, SlotCheckParts parts,
                                              ShareId share, const ShareRow* row) {
  auto found = co_await look(context, parts.backend, share);
  if (!found) {
    if (found.error().code() != Errc::corrupt) co_return fail(std::move(found.error()));
    co_return ShareFault{share, FaultKind::damaged, found.error().message()};
  }
  const bool is_listed = row != nullptr && row->state != ShareState::lost;
  if (!*found && !is_listed) co_return std::nullopt;
  if (!*found) {
    co_return ShareFault{share, FaultKind::missing, "the store does not have it"};
  }
  if (row == nullptr) {
    co_return ShareFault{share, FaultKind::unknown, "the index does not have it"};
  }
  if (!is_listed) co_return ShareFault{share, FaultKind::unknown, "the index has it as lost"};
  std::string difference = difference_of(*row, (*found)->info);
  const Leases& in_file = (*found)->leases;
  const std::uint64_t unexplained = unexplained_bytes((*found)->info, in_file.size());
  if (difference.empty() && parts.backend.traits().keeps_leases && unexplained > 0) {
    auto known = parts.index.leases(share);
    if (!known) co_return fail(std::move(known.error()));
    if (lacks_lease(in_file, *known)) {
      difference = fmt::format("its header speaks of {} leases and leaves {} bytes unexplained",
                               in_file.size(), unexplained);
    }
  }
  if (difference.empty()) co_return std::nullopt;
  co_return ShareFault{share, FaultKind::differs, std::move(difference)};
}

// What the index has of leases goes into the share file: its lease area may be what is wrong.
Task<void> write_leases(OpContext context, SlotCheckParts parts, ShareId share) {
  auto leases = parts.index.leases(share);
  if (!leases) co_return fail(std::move(leases.error()));
  std::vector<LeaseUpdate> updates;
  for (const Lease& lease : *leases) updates.push_back({lease, {}});
  parts.slots.changed(share);
  co_return co_await parts.backend.store_leases(context, share, std::move(updates));
}

// Damaged and missing shares one by one; what remains is settled by what the store has.
Task<void> mend(OpContext context, SlotCheckParts parts, StorageIndex storage_index,
                std::vector<ShareNumber> numbers, std::vector<ShareFault>& faults) {
  bool all_known = true;
  for (ShareFault& fault : faults) {
    if (fault.kind == FaultKind::damaged) {
      auto place =
          co_await parts.slots.damaged(context, fault.share, Error(Errc::corrupt, fault.detail));
      if (!place) co_return fail(std::move(place.error()));
      fault.repaired = true;
      fault.place = std::move(*place);
    } else if (fault.kind == FaultKind::missing) {
      auto lost = co_await parts.slots.missing(fault.share);
      if (!lost && lost.error().code() != Errc::unavailable) co_return lost;
      fault.repaired = lost.has_value();
      all_known = all_known && fault.repaired;
    } else if (fault.kind == FaultKind::differs) {
      auto leased = co_await write_leases(context, parts, fault.share);
      if (!leased) co_return leased;
    }
  }
  // Settling would take a share that is not certainly lost for gone.
  if (!all_known) co_return Status{};
  auto settled = co_await parts.slots.settle(context, storage_index, std::move(numbers));
  if (!settled) co_return settled;
  for (ShareFault& fault : faults) fault.repaired = true;
  co_return Status{};
}

}  // namespace

Task<std::vector<ShareFault>> examine_slot(OpContext context, SlotCheckParts parts,
                                           StorageIndex storage_index,
                                           std::vector<ShareNumber> numbers, bool repair) {
  auto slot = co_await parts.slots.hold(context, storage_index);
  if (!slot) co_return fail(std::move(slot.error()));
  std::set<ShareNumber> all(numbers.begin(), numbers.end());
  for (const ShareRow& row : slot->shares) all.insert(row.info.number);
  std::vector<ShareFault> faults;
  for (const ShareNumber number : all) {
    const ShareId share{storage_index, number};
    const ShareRow* row = slot->any(number);
    // An upload's file may be there before its row; what is being removed may be half gone.
    if (parts.uploads.find(share) || (row != nullptr && row->state == ShareState::going)) continue;
    auto fault = co_await examine_share(context, parts, share, row);
    if (!fault) co_return fail(std::move(fault.error()));
    if (*fault) faults.push_back(std::move(**fault));
  }
  if (repair && !faults.empty()) {
    auto mended = co_await mend(context, parts, storage_index, {all.begin(), all.end()}, faults);
    if (!mended) co_return fail(std::move(mended.error()));
  }
  co_return faults;
}

}  // namespace sharestore
