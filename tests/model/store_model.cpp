#include "tests/model/store_model.h"

#include <algorithm>

namespace sharestore {

void model_leases(ModelShare& share, const std::vector<LeaseUpdate>& leases) {
  for (const LeaseUpdate& update : leases) {
    std::int64_t& expires = share.leases[update.lease.renew_digest];
    expires = std::max(expires, update.lease.expires_at);
  }
}

std::optional<ModelSlot> model_commit(ModelSlot slot, const SlotCommit& commit) {
  for (const auto& [number, share] : slot) {
    if (share.kind == ShareKind::immutable) return std::nullopt;
  }
  for (const ShareChange& change : commit.changes) {
    if (change.remove) {
      slot.erase(change.number);
      continue;
    }
    ModelShare& share = slot[change.number];
    share.kind = ShareKind::mutable_slot;
    for (const ShareChange::Write& write : change.writes) {
      const std::string text(write.data->in_memory()->text());
      const std::uint64_t end = write.offset + text.size();
      if (end > share.data.size()) share.data.resize(end, '\0');
      share.data.replace(write.offset, text.size(), text);
    }
    if (change.truncate_to && *change.truncate_to < share.data.size()) {
      share.data.resize(*change.truncate_to);
    }
    model_leases(share, change.leases);
  }
  return slot;
}

}  // namespace sharestore
