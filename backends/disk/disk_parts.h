// What the parts of the disk backend share.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "backends/core/clock.h"
#include "backends/core/io_pool.h"
#include "backends/core/journal.h"
#include "backends/disk/disk_backend.h"
#include "backends/disk/disk_layout.h"
#include "backends/disk/durable_file.h"
#include "backends/disk/file_system.h"
#include "backends/disk/recent_shares.h"
#include "backends/disk/share_gate.h"
#include "backends/share_file/layout.h"

namespace sharestore {

// Share files up to this are rewritten whole by a change; larger ones are changed in place or
// cloned (durability.md, "What follows" 4).
inline constexpr std::uint64_t kSmallFileBytes = std::uint64_t{1} << 20;

// Owned by the backend; outlives every reader, writer and job. Any thread.
struct DiskParts {
  DiskParts(FileSystem& file_system, DiskLayout where, IoPool& io_pool, Journal& intents,
            Clock& the_clock, const DiskOptions& options)
      : files(file_system),
        layout(std::move(where)),
        pool(io_pool),
        journal(intents),
        clock(the_clock),
        node_id(options.node_id),
        durable(files, layout.shares(), options.sync_mode),
        recent(*this, options.redo_log_bytes, options.make_files_after) {}

  // A name in pending() that nothing else has in this run.
  std::string new_pending_name(ShareId share) {
    return share.storage_index.to_text() + "." + std::to_string(share.number) + "." +
           std::to_string(++serial_);
  }

  FileSystem& files;
  const DiskLayout layout;
  IoPool& pool;
  Journal& journal;
  Clock& clock;
  const NodeId node_id;
  DurableFiles durable;
  ShareGate gate;
  std::atomic<std::size_t> open_uploads{0};
  // The file system refused once: not asked again.
  std::atomic<bool> cannot_clone{false};

 private:
  std::atomic<std::uint64_t> serial_{0};

 public:
  // Last: its threads use the rest.
  RecentShares recent;
};

// A file in pending() that is removed again unless its name was moved or must survive.
class PendingFile {
 public:
  PendingFile() = default;
  PendingFile(FileSystem& files, std::string path, File opened)
      : file(std::move(opened)), files_(&files), path_(std::move(path)) {}
  ~PendingFile() { remove(); }
  PendingFile(PendingFile&& other) noexcept
      : file(std::move(other.file)),
        files_(std::exchange(other.files_, nullptr)),
        path_(std::move(other.path_)) {}
  PendingFile& operator=(PendingFile&& other) noexcept {
    remove();
    file = std::move(other.file);
    files_ = std::exchange(other.files_, nullptr);
    path_ = std::move(other.path_);
    return *this;
  }

  const std::string& path() const { return path_; }
  void keep() { files_ = nullptr; }

  File file;

 private:
  void remove() {
    if (files_ != nullptr) files_->unlink(path_);
    files_ = nullptr;
  }

  FileSystem* files_ = nullptr;
  std::string path_;
};

Result<PendingFile> create_pending(DiskParts& parts, ShareId share);

// An open share file and what its header tells. not_found, corrupt, io_error.
struct OpenShare {
  File file;
  ShareHeader header;
};
Result<OpenShare> open_share_file(FileSystem& files, const DiskLayout& layout, ShareId share,
                                  int flags);

// Makes the directories that lead to a share. Durable only with the change that needs them.
Status make_share_directories(FileSystem& files, const DiskLayout& layout, StorageIndex index);
// Those directories and their parents, for DurableFiles::Change::directories.
std::vector<std::string> share_directories(const DiskLayout& layout, StorageIndex index);
// Removes a share's file, and its directory when that was the last one. A missing one is success.
Status unlink_share(FileSystem& files, const DiskLayout& layout, ShareId share);

}  // namespace sharestore
