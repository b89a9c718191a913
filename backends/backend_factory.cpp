#include "backends/backend_factory.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>

#include "backends/core/base32.h"
#include "backends/disk/disk_backend.h"
#include "backends/http/endpoint.h"
#include "backends/memory/memory_backend.h"
#include "backends/object/object_backend.h"
#include "backends/openstack/swift_container.h"
#include "backends/openstack/swift_probe.h"
#include "backends/s3/s3_container.h"
#include "backends/s3/s3_probe.h"

namespace sharestore {

namespace {

std::uint64_t physical_memory_bytes() {
  const long pages = ::sysconf(_SC_PHYS_PAGES);
  const long page_bytes = ::sysconf(_SC_PAGESIZE);
  return pages > 0 && page_bytes > 0
             ? static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page_bytes)
             : 0;
}

s3::S3Options options_of(const S3Config& config) {
  s3::S3Options options;
  options.config = config;
  options.max_arriving_bytes = http_client::arriving_bytes(config.cache_size_bytes);
  return options;
}

std::unique_ptr<ObjectContainer> container_of(const S3Config& config,
                                              const ContainerDependencies& dependencies) {
  return std::make_unique<s3::S3Container>(options_of(config), dependencies.pool,
                                           dependencies.executor);
}

std::unique_ptr<ObjectContainer> container_of(const OpenStackConfig& config,
                                              const ContainerDependencies& dependencies) {
  return openstack::make_swift_container(config, dependencies.pool, dependencies.executor);
}

std::unexpected<Error> no_container(const StorageConfig& config) {
  return fail(Errc::invalid_argument, fmt::format("[storage] backend = {} keeps its shares in no "
                                                  "container",
                                                  backend_name(config.backend)));
}

class Maker {
 public:
  Maker(const StorageConfig& config, const BackendDependencies& dependencies)
      : config_(config), dependencies_(dependencies) {}

  Result<std::unique_ptr<Backend>> operator()(const MemoryConfig&) const {
    MemoryOptions options;
    options.max_bytes = config_.sizelimit_bytes.value_or(physical_memory_bytes() / 2);
    return make_memory_backend(options);
  }

  Result<std::unique_ptr<Backend>> operator()(const DiskConfig&) const {
    DiskOptions options;
    options.storage_directory = config_.storage_directory;
    options.node_id = dependencies_.node_id;
    options.redo_log_bytes = dependencies_.redo_log_bytes;
    return make_disk_backend(options, dependencies_.journal, dependencies_.pool,
                             dependencies_.clock);
  }

  Result<std::unique_ptr<Backend>> operator()(const S3Config& s3) const {
    return over(container_of(s3, {dependencies_.pool, dependencies_.executor}), s3.prefix,
                s3.part_size_bytes, s3.cache_size_bytes);
  }

  Result<std::unique_ptr<Backend>> operator()(const OpenStackConfig& openstack) const {
    return over(container_of(openstack, {dependencies_.pool, dependencies_.executor}),
                openstack.prefix, openstack.part_size_bytes, openstack.cache_size_bytes);
  }

 private:
  std::unique_ptr<Backend> over(std::unique_ptr<ObjectContainer> container, std::string prefix,
                                std::uint64_t part_bytes, std::uint64_t cache_bytes) const {
    ObjectBackendOptions options;
    options.prefix = std::move(prefix);
    options.part_bytes = part_bytes;
    options.cache_bytes = cache_bytes - http_client::arriving_bytes(cache_bytes);
    options.spool_directory = config_.storage_directory / "incoming";
    options.instance_file = config_.storage_directory / "instance";
    options.node_id = dependencies_.node_id;
    options.node_name = base32_encode(
        {reinterpret_cast<const char*>(options.node_id.data()), options.node_id.size()});
    return make_object_backend(std::move(container), std::move(options), dependencies_.journal,
                               dependencies_.pool, dependencies_.clock, dependencies_.executor);
  }

  const StorageConfig& config_;
  const BackendDependencies& dependencies_;
};

}  // namespace

Result<std::unique_ptr<Backend>> make_backend(const StorageConfig& config,
                                              const BackendDependencies& dependencies) {
  return std::visit(Maker(config, dependencies), config.backend);
}

Result<std::unique_ptr<ObjectContainer>> make_container(const StorageConfig& config,
                                                        const ContainerDependencies& dependencies) {
  if (const auto* s3 = std::get_if<S3Config>(&config.backend)) {
    return container_of(*s3, dependencies);
  }
  if (const auto* openstack = std::get_if<OpenStackConfig>(&config.backend)) {
    return container_of(*openstack, dependencies);
  }
  return no_container(config);
}

std::string container_prefix(const StorageConfig& config) {
  if (const auto* s3 = std::get_if<S3Config>(&config.backend)) return s3->prefix;
  if (const auto* openstack = std::get_if<OpenStackConfig>(&config.backend)) {
    return openstack->prefix;
  }
  return {};
}

Task<ProbeReport> probe_store(OpContext context, StorageConfig config,
                              ContainerDependencies dependencies) {
  if (const auto* s3 = std::get_if<S3Config>(&config.backend)) {
    co_return co_await s3::probe(context, options_of(*s3), dependencies.pool,
                                 dependencies.executor);
  }
  if (const auto* openstack = std::get_if<OpenStackConfig>(&config.backend)) {
    co_return co_await openstack::probe(context, *openstack, dependencies.pool,
                                        dependencies.executor);
  }
  co_return no_container(config);
}

}  // namespace sharestore
