// Shares on any object container: an object is a share file (architecture: what lies in the
// bucket).
//
// Uploads are spooled and sent while later bytes still arrive; mutable shares are replaced whole;
// sets of changes are completed from the journal after a crash. A store that cannot be reached does
// not stop the node: methods answer `unavailable` and the backend recovers by itself.
#pragma once

#include <boost/asio/any_io_executor.hpp>

#include <array>
#include <filesystem>
#include <memory>
#include <string>

#include "backends/backend.h"
#include "backends/core/io_pool.h"
#include "backends/core/journal.h"
#include "backends/object/container.h"

namespace sharestore {

struct ObjectBackendOptions {
  // Empty, or ends in '/'.
  std::string prefix;
  // Shares up to this go up in one put; larger ones in parts of this or, to stay below the store's
  // number of parts, more.
  std::uint64_t part_bytes = 8ULL << 20;
  std::uint64_t cache_bytes = 64ULL << 20;
  // Where uploads are spooled; emptied at start.
  std::filesystem::path spool_directory;
  // Remembers which run of this node used the container last.
  std::filesystem::path instance_file;
  // Text of the node's identity in `owner`: its tubid.
  std::string node_name;
  std::array<unsigned char, 20> node_id{};
  // Takes the container over from another instance of this node (admin take-over).
  bool take_over = false;
};

std::unique_ptr<Backend> make_object_backend(std::unique_ptr<ObjectContainer> container,
                                             ObjectBackendOptions options, Journal& journal,
                                             IoPool& pool, Clock& clock,
                                             boost::asio::any_io_executor executor);

}  // namespace sharestore
