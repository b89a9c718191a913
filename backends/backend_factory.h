// From configuration to a backend: the one place where providers are named.
//
// Called once at start, from main's thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "backends/backend.h"
#include "backends/core/clock.h"
#include "backends/core/io_pool.h"
#include "backends/core/journal.h"
#include "backends/core/op_context.h"
#include "backends/core/task.h"
#include "backends/object/container.h"
#include "backends/object/store_probe.h"
#include "config/storage_config.h"

namespace sharestore {

// What every backend is given. All of it outlives the backend.
struct BackendDependencies {
  Journal& journal;
  IoPool& pool;
  Clock& clock;
  // A loop for background work and requests to a store; not one of the workers'.
  boost::asio::any_io_executor executor;
  // SHA-1 of the node's certificate: goes into mutable share files (disk-format.md section 4).
  std::array<unsigned char, 20> node_id{};
  // Start takes a bucket over from another run of this node (`admin take-over`).
  bool take_over = false;
  // DiskOptions::redo_log_bytes.
  std::uint64_t redo_log_bytes = 0;
};

// invalid_argument, unsupported: the configuration cannot be served, and why. Nothing is contacted
// or written before Backend::start.
Result<std::unique_ptr<Backend>> make_backend(const StorageConfig& config,
                                              const BackendDependencies& dependencies);

// What talking to a container takes, without a node around it. All of it outlives the container.
struct ContainerDependencies {
  IoPool& pool;
  boost::asio::any_io_executor executor;
};

// The container that the configuration names, for commands. invalid_argument: the backend keeps its
// shares in none. Nothing is contacted before ObjectContainer::open.
Result<std::unique_ptr<ObjectContainer>> make_container(const StorageConfig& config,
                                                        const ContainerDependencies& dependencies);

// What all keys of the node begin with in its container: empty, or ends in '/'.
std::string container_prefix(const StorageConfig& config);

// Finds out what the store can do, with throw-away objects. As make_container, or the
// store's first error.
Task<ProbeReport> probe_store(OpContext context, StorageConfig config,
                              ContainerDependencies dependencies);

}  // namespace sharestore
