// Which leases count as ended, by the operator's `[storage] expire.*` keys.
//
// Every mode comes down to one time per kind of share: a share goes when all its leases end before
// it. A lease's grant is its end less 31 days (disk-format.md section 6). Pure values; any thread.
#pragma once

#include <cstdint>
#include <optional>

#include "backends/backend.h"
#include "config/storage_config.h"

namespace sharestore {

// Shares of that kind go whose leases all end before the answer, unix seconds; nothing: shares of
// that kind never go. `age`: the lease's own end, or the override's length after its grant.
// `cutoff-date`: granted before that date.
std::optional<std::int64_t> expires_before(const ExpireConfig& config, ShareKind kind,
                                           std::int64_t now);

}  // namespace sharestore
