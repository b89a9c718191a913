// A node's metrics as one text.
//
// Pure function; any thread.
#pragma once

#include <string>

#include "storage_server/web/metrics_text.h"
#include "storage_server/web/status.h"

namespace sharestore::web {

// The reference's figures under its names, then this program's own (sharestore_…). The table of
// them is in docs/operations.md.
std::string render_metrics(const NodeStatus& status, MetricsForm form);

}  // namespace sharestore::web
