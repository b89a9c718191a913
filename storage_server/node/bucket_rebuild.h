// What a rebuild of the index needs beyond a scan where shares lie in a bucket: listings may lag,
// and tell sizes only.
//
// Each runs on one executor; what it is given outlives it. cancelled: `stopping`.
#pragma once

#include <atomic>

#include "storage_server/index/full_index.h"
#include "storage_server/shares/share_store.h"

namespace sharestore {

// At the end of a scan, before the rebuild is finished: what was known before and no listing showed
// is asked for by its name, and what the store says decides.
Task<void> ask_for_unseen(ShareStore& store, FullIndex& index, Clock& clock,
                          const std::atomic<bool>& stopping);

// Remembers, durably, that rows may be left whose headers nobody has read.
Task<void> note_unread_headers(FullIndex& index);
// Reads them slowly, if there are any: first use reads them too. unavailable: some are left.
Task<void> read_unread_headers(ShareStore& store, FullIndex& index, Clock& clock,
                               const std::atomic<bool>& stopping);

}  // namespace sharestore
