// Writes leases that are newer in the index than in the share files into them, so that the Python
// node finds them when it runs in this directory next.
//
// Any thread; one caller at a time. What it is given outlives the call.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backends/backend.h"
#include "storage_server/index/lease_backlog.h"
#include "storage_server/shares/slots.h"

namespace sharestore {

// Saves the leases of at most `limit` shares, oldest first. Answers how many shares left the
// backlog; 0 when it is empty. A share whose file cannot take them now stays for later.
Task<std::size_t> save_leases(OpContext context, Backend& backend, Slots& slots,
                              LeaseBacklog& backlog, std::size_t limit);

// The size of a share file whose slot the caller holds. not_found, corrupt.
Task<std::uint64_t> stored_size(OpContext context, Backend& backend, ShareId share);

}  // namespace sharestore
