// Opens a node's index, and decides whether what it says must be checked against the backend.
#pragma once

#include <cstddef>
#include <memory>

#include "backends/core/clock.h"
#include "config/node_config.h"
#include "storage_server/index/full_index.h"

namespace sharestore {

// The index of a persistent backend is storage/index.sqlite. One that is damaged or of a newer
// schema is moved aside with a loud log line and a new one begun; the shares are then scanned while
// serving. A backend that forgets its shares has an index of its own, which is begun anew.
// Errors as Index::open.
Result<std::unique_ptr<FullIndex>> open_node_index(const NodeConfig& config,
                                                   std::size_t memory_bytes, Clock& clock);

// Begins a rebuild if there is a reason to doubt the index as a whole: it is new, another program
// ran on the directory, or the backend is another one. Then notes that this run has begun.
Task<void> doubt_if_needed(FullIndex& index, const NodeConfig& config, Clock& clock);

// Notes that this run was here until now.
Task<void> note_last_run(FullIndex& index, const NodeConfig& config);

}  // namespace sharestore
