// Leases in share files: see Backend::load_leases and store_leases.
//
// A renewal of an immutable share is four bytes in place. A new lease on a small one makes a new
// version of the file; on a large one it is appended under a redo record, because a file with a
// record too many would seem to hold more data than it does (disk-format.md section 2).
#pragma once

#include <vector>

#include "backends/backend.h"
#include "backends/disk/disk_parts.h"

namespace sharestore {

Task<Leases> load_disk_leases(DiskParts& parts, ShareId share);
Task<void> store_disk_leases(DiskParts& parts, ShareId share, std::vector<LeaseUpdate> leases);

}  // namespace sharestore
