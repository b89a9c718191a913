// Reading a share out of an object.
#pragma once

#include <memory>

#include "backends/backend.h"
#include "backends/object/block_cache.h"
#include "backends/object/object_key.h"

namespace sharestore {

// Opens the share with one ranged get, which also brings its first block. not_found; corrupt: the
// object is no whole share file. A share in the older layout costs a listing more, of its own
// folder. `cache` outlives the reader.
Task<std::shared_ptr<ShareReader>> open_object_share(OpContext context, ObjectContainer& container,
                                                     HedgedGets& gets, BlockCache& cache,
                                                     std::string key, ShareNumber number);

// Only what the object's first bytes tell; nothing is kept.
Task<ShareInfo> read_share_info(OpContext context, ObjectContainer& container, HedgedGets& gets,
                                std::string key, ShareNumber number);

}  // namespace sharestore
