// Whether a row of the index and what the store has are the same share.
//
// Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "storage_server/index/index.h"

namespace sharestore {

// What the two disagree on, one sentence; empty: nothing.
std::string difference_of(const ShareRow& row, const ShareInfo& stored);

// Bytes of an immutable share file that neither its data nor so many leases account for. No fault
// by themselves: the count of an appended lease may never have been written.
std::uint64_t unexplained_bytes(const ShareInfo& stored, std::size_t leases);
// Whether the index knows a lease that the share file does not have.
bool lacks_lease(const Leases& in_file, const Leases& known);

}  // namespace sharestore
