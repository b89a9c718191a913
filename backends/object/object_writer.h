// An immutable share on its way to a store: spooled, and sent in parts while later bytes arrive.
#pragma once

#include <boost/asio/any_io_executor.hpp>

#include <filesystem>
#include <memory>
#include <string>

#include "backends/backend.h"
#include "backends/core/io_pool.h"
#include "backends/core/journal.h"
#include "backends/object/container.h"
#include "backends/object/running_work.h"
#include "backends/object/store_flow.h"

namespace sharestore {

class UnsettledKeys;

struct UploadEnvironment {
  ObjectContainer& container;
  Journal& journal;
  IoPool& pool;
  Clock& clock;
  StoreFlow& flow;
  UnsettledKeys& unsettled;
  // Uploads that are undone behind: what the others refer to must stay until there are none.
  RunningWork& behind;
  boost::asio::any_io_executor executor;
  std::filesystem::path spool_directory;
  std::uint64_t part_bytes;
};

// Most parts of one upload that are on their way at once; their bytes are read from the spool in
// pieces, so this costs requests, not memory.
inline constexpr std::size_t kPartsInFlight = 4;

// The size of the parts of an object of `object_bytes`: `part_bytes` or as much more as the store's
// number of parts asks for. too_large: the store cannot hold such an object.
Result<std::uint64_t> part_size_for(std::uint64_t object_bytes, std::uint64_t part_bytes,
                                    const ContainerTraits& traits);

// too_large, no_space. What `environment` refers to outlives the writer.
Task<std::unique_ptr<ShareWriter>> begin_object_upload(UploadEnvironment environment, ShareId share,
                                                       std::string key, std::uint64_t data_bytes);

}  // namespace sharestore
