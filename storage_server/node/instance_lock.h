// The guard against two nodes on one directory, ours or the Python node.
//
// running.process holds "<pid> <start time>" while a node runs, in the Python node's format and
// under its lock file; a node of this program holds a lock on the file as well. Main thread.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>

#include "backends/core/error.h"

namespace sharestore {

// How long another start may hold running.process.lock.
inline constexpr int kInstanceLockWaitMs = 2000;

class InstanceLock {
 public:
  // already_exists: another node runs on this directory. busy: another start holds the lock file.
  // invalid_argument: running.process is malformed. Otherwise as errno_error says.
  //
  // A file whose process is gone, or whose process number now belongs to a program that started at
  // another time and is no node, is stale and replaced.
  static Result<InstanceLock> acquire(const std::filesystem::path& node_directory);

  InstanceLock(InstanceLock&& other) noexcept;
  InstanceLock& operator=(InstanceLock&& other) noexcept;
  // Removes running.process.
  ~InstanceLock();

  // The process that held the directory and is gone, if it did not stop cleanly.
  std::optional<pid_t> stale_process() const { return stale_; }

 private:
  InstanceLock(std::filesystem::path file, int fd) : file_(std::move(file)), fd_(fd) {}

  std::filesystem::path file_;
  int fd_ = -1;
  std::optional<pid_t> stale_;
};

// When a process started, in Unix seconds as psutil computes it; nothing if there is none.
std::optional<double> process_start_time(pid_t pid);

}  // namespace sharestore
