// Taking a bucket over from another run of the same node: on a new machine, or for a copy.
//
// Main thread, while no node runs on the directory.
#pragma once

#include "backends/core/error.h"
#include "config/node_config.h"

namespace sharestore {

// Makes this directory's node the one that may write to its bucket, and leaves a mark there that it
// stopped, so that its next start needs nothing more. Writes that were accepted here before and not
// completed are completed.
//
// unsupported: the backend keeps its shares in no bucket. already_exists: a node runs here.
// forbidden: the bucket belongs to another node. unavailable: the store cannot be reached.
Status take_over(const NodeConfig& config);

}  // namespace sharestore
