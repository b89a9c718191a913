// Taking shares out: those whose leases have ended, for good, and those that a person names, into
// quarantine.
//
// Any thread. What it is given outlives the call. Errors as expired_shares.h says.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backends/backend.h"
#include "storage_server/index/expiry_view.h"
#include "storage_server/shares/share_store.h"
#include "storage_server/shares/slots.h"

namespace sharestore {

// See ExpiredShares.
Task<bool> remove_if_expired(OpContext context, Backend& backend, Slots& slots, ExpiryView& expiry,
                             ShareId share, std::int64_t before);
Task<void> finish_removal(OpContext context, Slots& slots, ShareId share);

// See ShareStore::take_out.
Task<std::vector<TakenOut>> take_out(OpContext context, Backend& backend, Index& index,
                                     Slots& slots, StorageIndex storage_index,
                                     std::optional<ShareNumber> number);

}  // namespace sharestore
