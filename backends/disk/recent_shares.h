// Small shares that are durable in the redo log and not yet in their files.
//
// A new version of a small share is appended to the log and answered; readers get it from memory.
// A thread makes the files behind: the newest version of each share, many by the same syncs, under
// their names by rename as ever. A share changed often costs one file for many versions.
//
// Crash argument. A version is answered when its record is durable. Its batch stays in the log
// until its file is durable, or a newer version's record is, and until the caller has recorded the
// change (SlotCommit::recorded). A start reads the log back, tells the journal which slots it
// names, and makes what is missing. A record names what data may lie on disk before it, so a file
// that somebody else changed since (the Python node, after a crash) is told apart and left alone,
// with a warning; leases that somebody else renewed are kept. Whatever changes a share without the
// log calls retire() first: it waits for the file and makes the share's records void, durably, so
// that no start repeats them.
//
// When a file cannot be made (disk full, no inodes) its version stays in memory and in the log, and
// is tried again; meanwhile no further ones are taken, so that what cannot be stored is refused
// where it is asked for.
//
// Memory: versions are in the log as well, so no more than its size; `log_bytes` is the limit.
// Threads: any; the caller serialises per share, as Backend says.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "backends/backend.h"
#include "backends/core/task.h"
#include "backends/disk/completion.h"
#include "backends/disk/file.h"
#include "backends/disk/redo_log.h"

namespace sharestore {

struct DiskParts;

// Larger share files are not logged: their bytes cost more than the syncs saved.
inline constexpr std::uint64_t kMaxLoggedFileBytes = 16 * 1024;

// One version of a share: bytes in memory, then the file that holds the same. Any thread.
class RecentVersion {
 public:
  RecentVersion(Bytes content, const ShareHeader& header, ShareNumber number);

  const ShareInfo& info() const { return info_; }
  const FileMark& mark() const { return mark_; }
  // The share file; empty once it is in a file.
  Bytes content() const;
  // Bytes of the share's data, which has so many; as FileSystem::pread_now where `wait` is not set.
  std::int64_t read(FileSystem& files, std::uint64_t offset, MutableByteSpan into, bool wait) const;
  // Reads from the file from now on, and lets the bytes go.
  void now_in(File file);

 private:
  const ShareInfo info_;
  const FileMark mark_;
  const std::uint64_t data_offset_;
  mutable std::mutex mutex_;
  Bytes content_;
  File file_;
};

// What a commit makes of one share.
struct NewVersion {
  ShareId share;
  std::shared_ptr<RecentVersion> version;
  // What it was made from: the share as the caller found it.
  FileMark before;
};

class RecentShares {
 public:
  using Recorded = std::shared_ptr<const std::atomic<bool>>;

  // `parts` outlives it; nothing of it is used before recover(). A file is made at most
  // `make_after` behind its record, give or take the time that takes.
  RecentShares(DiskParts& parts, std::uint64_t log_bytes, std::chrono::milliseconds make_after);
  // Versions that are not in files stay in the log for the next start.
  ~RecentShares();
  RecentShares(const RecentShares&) = delete;
  RecentShares& operator=(const RecentShares&) = delete;

  // Takes up what the log holds, tells the journal, and makes the files. Before anything else.
  Task<void> recover();
  // Makes every file and removes the log. No other call is running.
  Task<void> finish();

  // Null: the share is as its file is.
  std::shared_ptr<RecentVersion> find(ShareId share) const;
  // The same for any share of the storage index.
  std::shared_ptr<RecentVersion> find_any(StorageIndex storage_index) const;

  // Makes the versions durable and visible, all or none. False: nothing happened, the log cannot
  // take them. `recorded`: see SlotCommit.
  Task<bool> commit(std::vector<NewVersion> versions, Recorded recorded);

  // Returns when the files of the storage index, or of all shares, are what was answered.
  Task<void> settle(StorageIndex storage_index);
  Task<void> settle_all();
  // The same for one share; and no start repeats what the log says of it.
  Task<void> retire(ShareId share);

  // Empty, or why files cannot be made.
  std::string trouble() const;

 private:
  struct Entry {
    std::shared_ptr<RecentVersion> newest;
    std::uint64_t batch = 0;
    Recorded recorded;
    FileMark on_disk;
    // What is on its way there.
    std::optional<FileMark> making;
  };
  struct Held {
    std::uint64_t batch = 0;
    Recorded recorded;
  };
  struct Found {
    std::uint64_t batch = 0;
    RedoRecord record;
  };
  struct Making;

  bool has_any(StorageIndex storage_index) const;
  Task<void> wait_for_round();
  std::vector<RedoRecord> records_of(const std::vector<NewVersion>& versions) const;
  void take(const std::vector<NewVersion>& versions, std::uint64_t batch, const Recorded& recorded);
  void let_go(Held held);

  // --- recent_recovery.cpp
  std::map<ShareId, Found> newest_of(std::vector<RedoBatch> batches);
  Status take_up(const std::map<ShareId, Found>& newest);
  Status take_up(ShareId share, const Found& found);

  // --- the making thread
  void run();
  std::chrono::milliseconds interval();
  Status make_all();
  Status make(const std::vector<ShareId>& shares);
  Status write_files(std::vector<Making>& makings);
  Status move_into_place(Making& making);
  void made(std::vector<Making>& makings, bool durable);
  void release_recorded();
  void note(const Status& round);

  DiskParts& parts_;
  const std::chrono::milliseconds make_after_;
  RedoLog log_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::map<ShareId, Entry> entries_;
  // Of versions that need no record any more, once the caller has recorded them.
  std::vector<Held> held_;
  std::vector<Completion<Status>> waiting_;
  bool hurry_ = false;
  bool stopping_ = false;
  std::string trouble_;

  std::thread thread_;
};

}  // namespace sharestore
