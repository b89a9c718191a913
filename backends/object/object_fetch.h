// A whole object brought here, in memory where it is small, else in a temporary file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "backends/core/io_pool.h"
#include "backends/core/temporary_file.h"
#include "backends/object/container.h"

namespace sharestore {

// Objects up to this are kept in memory.
inline constexpr std::uint64_t kFetchInMemoryBytes = 1 << 20;

struct FetchedObject {
  std::string etag;
  std::uint64_t size_bytes = 0;
  // Exactly one of the two; the holder may change what is in it.
  std::shared_ptr<std::vector<std::byte>> memory;
  std::shared_ptr<TemporaryFile> file;

  // What was fetched; requires that it was not changed.
  ByteSourcePtr content() const;
};

// not_found. conflict: it was replaced while it was read. no_space.
Task<FetchedObject> fetch_object(OpContext context, ObjectContainer& container, IoPool& pool,
                                 std::filesystem::path spool_directory, std::string key);

}  // namespace sharestore
