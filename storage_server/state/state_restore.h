// Takes up what an index that was lost had written down under `state/`.
//
// Runs during a rebuild, before the listing: rows are as they were told and in doubt until the scan
// or a request comes to them. Resumable: a blob is taken up again at most once after a crash, which
// does no harm. Memory: one blob. What it is given outlives it.
#pragma once

#include <atomic>

#include "backends/backend.h"
#include "storage_server/index/full_index.h"

namespace sharestore {

// Does nothing for an index that was restored, or never needed it. A damaged blob is logged and
// passed over: what it told is in the snapshot before it, or its shares get starter leases.
// unsupported: a blob of a newer format. cancelled: `stopping`.
Task<void> restore_state(Backend& backend, FullIndex& index, Clock& clock,
                         const std::atomic<bool>& stopping);

}  // namespace sharestore
