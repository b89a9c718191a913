// The operator's commands that change or examine what a node keeps: rebuild-index, verify, remove,
// flush-leases, accept-expiry, accept-clock.
//
// They run on the control loop of a node that serves, or of a stopped directory that was opened for
// them (Node::open_stopped). Results are what `--json` prints.
#pragma once

#include "backends/backend.h"
#include "backends/core/clock.h"
#include "storage_server/control/command.h"
#include "storage_server/index/full_index.h"
#include "storage_server/maintenance/expiry.h"
#include "storage_server/node/rebuild_run.h"
#include "storage_server/shares/share_store.h"

namespace sharestore {

// What the commands work on; all of it outlives them.
struct MaintenanceParts {
  Clock& clock;
  Backend& backend;
  FullIndex& index;
  ShareStore& store;
  Expiry& expiry;
  RebuildRun& rebuild;
  // Requests are served beside: long work leaves them room, and a rebuild goes on by itself.
  bool serving = true;
};

void add_maintenance_commands(control::Commands& commands, const MaintenanceParts& parts);

}  // namespace sharestore
