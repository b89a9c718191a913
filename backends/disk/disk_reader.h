// An open share file. Any thread; holds one descriptor, and its pass through the gate where the
// file could be changed in place.
#pragma once

#include <memory>

#include "backends/backend.h"
#include "backends/disk/disk_parts.h"

namespace sharestore {

// See Backend::open.
Task<std::shared_ptr<ShareReader>> open_disk_reader(DiskParts& parts, ShareId share);

}  // namespace sharestore
