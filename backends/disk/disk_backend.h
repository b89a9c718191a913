// Share files below a storage directory, in the reference's layout and formats (disk-format.md).
//
// Threads: any. Blocking calls run on the I/O pool; syncs on a thread of the backend's own, shared
// by everybody who waits for one. One process at a time uses a storage directory.
// Durability: durable_file.h, slot_commit.h and recent_shares.h say how and why. After a failed
// sync the backend takes no more changes (io_error) and health() says so; reads go on. Descriptors:
// one per open reader, and one per upload under way up to a bound.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>

#include "backends/backend.h"
#include "backends/core/clock.h"
#include "backends/core/io_pool.h"
#include "backends/core/journal.h"
#include "backends/disk/durable_file.h"
#include "backends/disk/file_system.h"
#include "backends/share_file/layout.h"

namespace sharestore {

struct DiskOptions {
  // Absolute; made if it is missing. Holds shares/, state/, pending/, quarantine/.
  std::filesystem::path storage_directory;
  // The tubid, written into new mutable share files.
  NodeId node_id{};
  SyncMode sync_mode = SyncMode::automatic;
  // The file in which small changes become durable before their share files are made, and how much
  // memory they may take until then (recent_shares.h). 0: each goes to its file at once.
  std::uint64_t redo_log_bytes = std::uint64_t{16} << 20;
  // How long a small change waits for others before its file is made.
  std::chrono::milliseconds make_files_after{250};
  // Null: the operating system's. Outlives the backend.
  FileSystem* files = nullptr;
};

// Makes the directories, nothing else: start() does the rest. `journal`, `pool` and `clock` outlive
// the backend. io_error, no_space, forbidden: a directory cannot be made.
Result<std::unique_ptr<Backend>> make_disk_backend(const DiskOptions& options, Journal& journal,
                                                   IoPool& pool, Clock& clock);

}  // namespace sharestore
