#include "storage_server/node/memory_plan.h"

#include <gtest/gtest.h>

namespace sharestore {
namespace {

StorageConfig with_limit(std::uint64_t limit_bytes) {
  StorageConfig storage;
  storage.memory_limit_bytes = limit_bytes;
  return storage;
}

TEST(MemoryPlan, PartsAreTheLimit) {
  for (const std::uint64_t limit :
       {kMinMemoryLimitBytes, 64 * kMiB, kDefaultMemoryLimitBytes, 64 * kGiB}) {
    StorageConfig storage = with_limit(limit);
    S3Config s3;
    s3.cache_size_bytes = limit / 2;  // the most that the configuration lets through
    for (const BackendConfig& backend : {BackendConfig(DiskConfig()), BackendConfig(s3)}) {
      storage.backend = backend;
      const MemoryPlan plan = plan_memory(storage);
      EXPECT_EQ(plan.index_bytes + plan.cache_bytes + plan.request_bytes + plan.redo_log_bytes +
                    plan.buffer_bytes,
                limit);
      EXPECT_GE(plan.buffer_bytes, limit / 8);
      EXPECT_EQ(plan.cache_bytes, cache_size_bytes(backend));
    }
  }
}

TEST(MemoryPlan, IndexAndRequestsTakeNoMoreThanIsOfUse) {
  const MemoryPlan plan = plan_memory(with_limit(64 * kGiB));
  EXPECT_EQ(plan.index_bytes, 24 * kMiB);
  EXPECT_EQ(plan.request_bytes, 64 * kMiB);
  EXPECT_EQ(plan.redo_log_bytes, 16 * kMiB);
  EXPECT_EQ(plan_memory(with_limit(64 * kMiB)).request_bytes, 16 * kMiB);
  EXPECT_EQ(plan_memory(with_limit(64 * kMiB)).redo_log_bytes, 8 * kMiB);
  StorageConfig bucket = with_limit(64 * kMiB);
  bucket.backend = S3Config();
  EXPECT_EQ(plan_memory(bucket).redo_log_bytes, 0u);
}

}  // namespace
}  // namespace sharestore
