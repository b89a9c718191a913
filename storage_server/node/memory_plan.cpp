#include "storage_server/node/memory_plan.h"

#include <algorithm>
#include <variant>

namespace sharestore {

namespace {

// Parts of the limit, and the most that is of use to each.
constexpr std::uint64_t kIndexShare = 8;
constexpr std::uint64_t kMaxIndexBytes = 24 * kMiB;
constexpr std::uint64_t kRequestShare = 4;
constexpr std::uint64_t kMaxRequestBytes = 64 * kMiB;
constexpr std::uint64_t kRedoLogShare = 8;
constexpr std::uint64_t kMaxRedoLogBytes = 16 * kMiB;

}  // namespace

MemoryPlan plan_memory(const StorageConfig& storage) {
  const std::uint64_t limit = storage.memory_limit_bytes;
  MemoryPlan plan;
  plan.index_bytes = std::min(limit / kIndexShare, kMaxIndexBytes);
  plan.request_bytes = std::min(limit / kRequestShare, kMaxRequestBytes);
  plan.cache_bytes = cache_size_bytes(storage.backend);
  if (std::holds_alternative<DiskConfig>(storage.backend)) {
    plan.redo_log_bytes = std::min(limit / kRedoLogShare, kMaxRedoLogBytes);
  }
  plan.buffer_bytes =
      limit - plan.index_bytes - plan.request_bytes - plan.cache_bytes - plan.redo_log_bytes;
  return plan;
}

}  // namespace sharestore
