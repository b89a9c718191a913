// Finds out which identity service and which object store a configuration leads to and what the
// store can do, with throw-away objects under the prefix, which are removed again.
#pragma once

#include <boost/asio/any_io_executor.hpp>

#include "backends/core/io_pool.h"
#include "backends/core/op_context.h"
#include "backends/core/task.h"
#include "backends/object/store_probe.h"
#include "config/storage_config.h"

namespace sharestore::openstack {

// Some 20 requests and a few hundred bytes, or two of the smallest segments that the store takes.
// An error: no token, or no container. `pool` and the executor's loop outlive the call.
Task<ProbeReport> probe(OpContext context, OpenStackConfig config, IoPool& pool,
                        boost::asio::any_io_executor executor);

}  // namespace sharestore::openstack
