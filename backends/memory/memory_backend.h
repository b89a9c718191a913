// Shares in RAM, lost at exit.
//
// Threads: any; one mutex, never held while waiting. Commits copy the chunks they change, so that
// open readers keep their snapshot. Spooled byte sources are read on the calling thread.
// Nothing survives the process: traits().persistent is false, leases are not kept.
#pragma once

#include <cstdint>
#include <memory>

#include "backends/backend.h"

namespace sharestore {

struct MemoryOptions {
  // Most bytes of shares, open uploads and state blobs; beyond it no_space. Chunks that only open
  // readers still hold are not counted.
  std::uint64_t max_bytes = std::uint64_t{256} << 20;
};

std::unique_ptr<Backend> make_memory_backend(MemoryOptions options);

}  // namespace sharestore
