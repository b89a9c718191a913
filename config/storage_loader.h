// Loads `[storage]`. For the files of this folder only.
#pragma once

#include <cstdint>
#include <string>

#include "config/load_context.h"
#include "config/storage_config.h"

namespace sharestore {

StorageConfig load_storage(LoadContext& context);

// The parts of it that belong to one provider each.
S3Config load_s3(LoadContext& context, std::uint64_t memory_limit_bytes);
OpenStackConfig load_openstack(LoadContext& context, std::uint64_t memory_limit_bytes);

// What cloud backends have in common; `family` is "s3" or "openstack".
std::string load_prefix(KeyReader& storage, const std::string& family);
std::uint64_t load_cache_size(KeyReader& storage, const std::string& family,
                              std::uint64_t memory_limit_bytes);
// Warns of plain http to another machine; `carries` names what then travels in clear.
void check_transport(KeyReader& storage, const std::string& key, const ServiceUrl& url,
                     const char* carries);

}  // namespace sharestore
