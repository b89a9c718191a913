// How `[storage] memory_limit` is shared out, so that the parts together never exceed it.
#pragma once

#include <cstddef>

#include "config/storage_config.h"

namespace sharestore {

struct MemoryPlan {
  std::size_t index_bytes = 0;
  // Blocks of objects that the backend keeps; 0 for backends without a cache.
  std::size_t cache_bytes = 0;
  // Request bodies and answers that must be whole.
  std::size_t request_bytes = 0;
  // Small changes on disk between the redo log and their files; 0 for other backends.
  std::size_t redo_log_bytes = 0;
  // The rest: what connections send and receive. At least an eighth of the limit.
  std::size_t buffer_bytes = 0;
};

MemoryPlan plan_memory(const StorageConfig& storage);

}  // namespace sharestore
