#include "backends/disk/durable_file.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <utility>

namespace sharestore {
namespace {

// Changes that share one sync. More gains nothing and makes the first wait for the last.
constexpr std::size_t kMaxBatch = 1024;
// Files that are synced one by one; more of them by one sync of the file system.
constexpr std::size_t kMaxSyncedAlone = 2;

SyncMode chosen_mode(FileSystem& files, const File& root, SyncMode wanted) {
  if (wanted != SyncMode::automatic) return wanted;
  return files.write_out_orders_names(root.fd()) ? SyncMode::write_out : SyncMode::sync_files;
}

Error unknown_outcome(const Error& error) { return Error(Errc::io_error, error.message(), false); }

}  // namespace

DurableFiles::DurableFiles(FileSystem& files, std::string root, SyncMode mode)
    : files_(files), root_path_(std::move(root)), mode_(mode) {
  auto opened = File::open(files_, root_path_, O_RDONLY | O_DIRECTORY, root_path_);
  if (opened) {
    root_ = std::move(*opened);
    mode_ = chosen_mode(files_, root_, mode);
  } else {
    poison(opened.error().message());
  }
  thread_ = std::thread([this] { run(); });
}

DurableFiles::~DurableFiles() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

Task<void> DurableFiles::commit(Change change) {
  if (Status ok = writable(); !ok) co_return ok;
  co_return co_await await_completion<Status>(
      [this, change = std::move(change)](Completion<Status> done) mutable {
        {
          const std::lock_guard lock(mutex_);
          queue_.push_back({std::move(change), std::move(done), {}});
        }
        wake_.notify_one();
      });
}

Status DurableFiles::commit_now(Change change) {
  if (Status ok = writable(); !ok) return ok;
  std::vector<Pending> batch;
  batch.push_back({std::move(change), {}, {}});
  commit_batch(batch);
  return batch.front().result;
}

Status DurableFiles::sync_everything_now() {
  const int result = files_.sync_everything(root_.fd());
  if (result >= 0) return {};
  const Error error = file_error(result, "sync of the file system");
  poison(error.message());
  return fail(error);
}

void DurableFiles::poison(const std::string& reason) {
  const std::lock_guard lock(mutex_);
  if (!poisoned_) poisoned_ = reason;
}

std::optional<std::string> DurableFiles::poisoned() const {
  const std::lock_guard lock(mutex_);
  return poisoned_;
}

Status DurableFiles::writable() const {
  const auto reason = poisoned();
  if (!reason) return {};
  return fail(Errc::io_error,
              "the disk backend takes no changes until it is started anew: " + *reason);
}

void DurableFiles::dispose(File file) {
  {
    const std::lock_guard lock(mutex_);
    disposed_.push_back(std::move(file));
  }
  wake_.notify_one();
}

void DurableFiles::run() {
  for (;;) {
    std::vector<Pending> batch;
    std::vector<File> disposed;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty() || !disposed_.empty(); });
      const std::size_t count = std::min(queue_.size(), kMaxBatch);
      const auto end = queue_.begin() + static_cast<std::ptrdiff_t>(count);
      batch.assign(std::make_move_iterator(queue_.begin()), std::make_move_iterator(end));
      queue_.erase(queue_.begin(), end);
      disposed.swap(disposed_);
      if (stopping_ && batch.empty() && disposed.empty()) return;
    }
    if (!batch.empty()) commit_batch(batch);
    for (Pending& pending : batch) {
      pending.change = {};
      pending.done(std::move(pending.result));
    }
  }
}

Status DurableFiles::sync_files_of(const Change& change) {
  for (const int fd : change.files) {
    int result = -EINVAL;
    if (mode_ == SyncMode::write_out) result = files_.finish_write_out(fd);
    // Special file systems refuse the call; syncing does the same and more.
    if (result == -EINVAL || result == -ESPIPE || result == -ENOSYS) result = files_.sync_data(fd);
    if (result < 0) return fail(file_error(result, "sync"));
  }
  return {};
}

Result<bool> DurableFiles::sync_files_together(const std::vector<Pending>& batch) {
  if (mode_ != SyncMode::sync_files) return false;
  std::size_t count = 0;
  for (const Pending& pending : batch) count += pending.change.files.size();
  if (count <= kMaxSyncedAlone) return false;
  if (Status synced = sync_everything_now(); !synced) return fail(synced.error());
  return true;
}

Status DurableFiles::sync_names(const std::vector<Pending>& batch) {
  if (mode_ != SyncMode::per_file) {
    const int result = files_.sync_everything(root_.fd());
    if (result < 0) return fail(file_error(result, "sync of the file system"));
    return {};
  }
  std::set<std::string> directories;
  for (const Pending& pending : batch) {
    if (pending.result) {
      directories.insert(pending.change.directories.begin(), pending.change.directories.end());
    }
  }
  // Deepest first, so that a directory is durable before the name that leads to it.
  for (auto it = directories.rbegin(); it != directories.rend(); ++it) {
    const int result = files_.sync_directory(*it);
    // It may have been empty and removed since.
    if (result < 0 && result != -ENOENT) return fail(file_error(result, "sync of a directory"));
  }
  return {};
}

void DurableFiles::commit_batch(std::vector<Pending>& batch) {
  if (mode_ == SyncMode::write_out) {
    for (const Pending& pending : batch) {
      for (const int fd : pending.change.files) files_.begin_write_out(fd, 0, 0);
    }
  }
  const auto together = sync_files_together(batch);
  bool anything = false;
  for (Pending& pending : batch) {
    pending.result = together ? writable() : Status(fail(together.error()));
    if (!pending.result) continue;
    Status synced = *together ? Status() : sync_files_of(pending.change);
    if (!synced) {
      poison(synced.error().message());
      pending.result = fail(synced.error());
      continue;
    }
    if (pending.change.publish) pending.result = pending.change.publish();
    anything |= pending.result.has_value();
  }
  if (!anything) return;
  const Status synced = sync_names(batch);
  if (synced) return;
  poison(synced.error().message());
  for (Pending& pending : batch) {
    if (pending.result) pending.result = fail(unknown_outcome(synced.error()));
  }
}

}  // namespace sharestore
