// A container of OpenStack Swift, of Rackspace Cloud Files, or of what else speaks their protocol,
// as an ObjectContainer.
#pragma once

#include <boost/asio/any_io_executor.hpp>

#include <memory>

#include "backends/core/io_pool.h"
#include "backends/object/container.h"
#include "config/storage_config.h"

namespace sharestore::openstack {

// Nothing is contacted before open(). `pool`, the executor's loop and the clock of every context
// outlive it.
std::unique_ptr<ObjectContainer> make_swift_container(const OpenStackConfig& config, IoPool& pool,
                                                      boost::asio::any_io_executor executor);

}  // namespace sharestore::openstack
