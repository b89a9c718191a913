// The figures of the Python node's pages, under its names (node-directory.md section 7), so that
// what reads them goes on working.
//
// Pure functions; any thread.
#pragma once

#include <boost/json/object.hpp>

#include "storage_server/web/metrics_text.h"
#include "storage_server/web/status.h"

namespace sharestore::web {

// {"counters": {...}, "stats": {...}}, as /statistics?t=json has them.
boost::json::object reference_statistics(const NodeStatus& status);

// {"stats": ..., "bucket-counter": ..., "lease-checker": ..., "lease-checker-progress": ...}, as
// /storage?t=json. There are no crawlers here: their states are empty and never under way.
boost::json::object reference_storage(const NodeStatus& status);

// The same figures as metrics: tahoe_counters_…, tahoe_stats_….
void write_reference_metrics(const NodeStatus& status, MetricsText& text);

}  // namespace sharestore::web
