// What a command needs to talk to a node's store, whether or not the node runs.
//
// Main thread.
#pragma once

#include <chrono>

#include "backends/backend_factory.h"
#include "backends/core/clock.h"
#include "backends/core/io_pool.h"
#include "backends/core/op_context.h"
#include "storage_server/node/control_loop.h"

namespace sharestore::cli {

// For a whole command; each request has its own, shorter timeouts.
inline constexpr std::chrono::minutes kStoreCommandBudget{10};

struct StoreAccess {
  OpContext context() { return {clock, clock.now() + kStoreCommandBudget}; }
  ContainerDependencies dependencies() { return {pool, loop.executor()}; }

  SystemClock clock;
  IoPool pool{1};
  ControlLoop loop;
};

}  // namespace sharestore::cli
