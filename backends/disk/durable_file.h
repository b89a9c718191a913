// The one place where changes to files become durable: data first, then names, then the sync that
// covers both, shared by everybody who asks at the same time.
//
// Crash argument. A change names files whose data must be there before its names are, and a
// function that changes names. In `write_out` mode the data is written out before any name changes,
// and the file system's journal makes names durable only after such data; in the other modes the
// data is synced before. One sync behind covers the names. So after a crash a new name has all of
// its data, or is not there; and what was answered had both on disk.
//
// A failed sync poisons the object: what the kernel could not write it may have dropped, so nothing
// is acknowledged any more and every later change is refused until the node is started anew.
//
// Threads: any; one thread of its own does the work. Queued changes are bounded by the requests in
// flight, each of which waits for its own.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "backends/core/task.h"
#include "backends/disk/completion.h"
#include "backends/disk/file.h"
#include "backends/disk/file_system.h"

namespace sharestore {

enum class SyncMode {
  // write_out where the file system allows it, else sync_files.
  automatic,
  // All data written out, names changed, one sync of the file system.
  write_out,
  // Each file synced (several: one sync of the file system), names changed, one sync of the file
  // system.
  sync_files,
  // Each file synced, names changed, each directory synced: where a sync of the whole file system
  // does not do what it should (some network file systems) or costs too much.
  per_file,
};

class DurableFiles {
 public:
  struct Change {
    // Descriptors whose data must be durable. They stay open until commit() returns.
    std::vector<int> files;
    // Changes names, on the committer's thread. Its error is commit()'s answer; it must have
    // changed nothing then. May be empty.
    std::function<Status()> publish;
    // Directories whose entries `publish` changes.
    std::vector<std::string> directories;
  };

  // `root` is a directory on the file system that holds everything; it exists.
  DurableFiles(FileSystem& files, std::string root, SyncMode mode);
  // No commit() is waiting.
  ~DurableFiles();
  DurableFiles(const DurableFiles&) = delete;
  DurableFiles& operator=(const DurableFiles&) = delete;

  // Returns when the change is durable, or did not happen. io_error with outcome_known() false: it
  // may have; the object is poisoned.
  Task<void> commit(Change change);
  // The same on the calling thread, for start-up.
  Status commit_now(Change change);

  // Syncs the whole file system, in every mode: at start, so that what is seen then stays, even if
  // it is what a failed sync of the last run left in the page cache.
  Status sync_everything_now();

  // Refuses all changes from now on. The first reason stays.
  void poison(const std::string& reason);
  // Nothing, or why no change is possible. Changes ask before they begin.
  Status writable() const;
  std::optional<std::string> poisoned() const;

  // Closes a file on the committer's thread: freeing a large removed file takes time.
  void dispose(File file);

  SyncMode mode() const { return mode_; }

 private:
  struct Pending {
    Change change;
    Completion<Status> done;
    Status result;
  };

  void run();
  void commit_batch(std::vector<Pending>& batch);
  // Makes the data of all files of the batch durable where one sync does it better than one each.
  Result<bool> sync_files_together(const std::vector<Pending>& batch);
  Status sync_files_of(const Change& change);
  Status sync_names(const std::vector<Pending>& batch);

  FileSystem& files_;
  std::string root_path_;
  File root_;
  SyncMode mode_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Pending> queue_;
  std::vector<File> disposed_;
  std::optional<std::string> poisoned_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace sharestore
