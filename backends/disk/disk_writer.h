// An immutable share on its way to disk.
//
// A share that comes whole and is small stays in memory until commit, and goes through the redo log
// where it can (recent_shares.h). Any other goes to a sparse file in incoming/ with the reference's
// layout, sent to the disk MiB by MiB behind the writer.
#pragma once

#include <memory>

#include "backends/backend.h"
#include "backends/disk/disk_parts.h"

namespace sharestore {

// See Backend::create_immutable.
Task<std::unique_ptr<ShareWriter>> create_disk_writer(DiskParts& parts, NewShare share);

// What a share with its first lease may hold to be logged.
inline constexpr std::uint64_t kMaxLoggedShareBytes =
    kMaxLoggedFileBytes - kImmutableHeaderBytes - kImmutableLeaseBytes;

}  // namespace sharestore
