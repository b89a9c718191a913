// Compares one storage index in the index with the store. See ShareStore::examine.
//
// Any thread. What it is given outlives the call.
#pragma once

#include <vector>

#include "backends/backend.h"
#include "storage_server/index/index.h"
#include "storage_server/shares/share_fault.h"
#include "storage_server/shares/slots.h"
#include "storage_server/shares/uploads.h"

namespace sharestore {

struct SlotCheckParts {
  Backend& backend;
  Index& index;
  Slots& slots;
  const Uploads& uploads;
};

Task<std::vector<ShareFault>> examine_slot(OpContext context, SlotCheckParts parts,
                                           StorageIndex storage_index,
                                           std::vector<ShareNumber> numbers, bool repair);

}  // namespace sharestore
