// The redo log: one preallocated file in which small changes become durable together, by one sync,
// before their share files are made.
//
// Batches go round in the file. Each names the oldest batch that is still needed; what lies before
// that is void. A batch is needed until everybody who holds a version of it has released it, and
// its room is used again only when a later batch, itself durable, has said that it is void. So at
// any moment the newest whole batch tells which others must be there, and those are whole.
//
// The file is made when it is first needed, and removed by remove_file() when nothing is needed of
// it any more, so that a storage directory left cleanly holds share files only.
//
// A failed sync poisons the DurableFiles given: nothing is acknowledged after it.
//
// Threads: any; one thread of its own writes. Queued requests are bounded by the requests in
// flight.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "backends/core/task.h"
#include "backends/disk/completion.h"
#include "backends/disk/durable_file.h"
#include "backends/disk/file.h"
#include "backends/disk/redo_record.h"

namespace sharestore {

class RedoLog {
 public:
  // `directory`/redo is the file. `log_bytes`: its size; 0: no log is begun. `files` and `durable`
  // outlive the log.
  RedoLog(FileSystem& files, std::string directory, std::uint64_t log_bytes, DurableFiles& durable);
  // No append() is waiting.
  ~RedoLog();
  RedoLog(const RedoLog&) = delete;
  RedoLog& operator=(const RedoLog&) = delete;

  // What an earlier run left, oldest first; it stays in the log, held once for each record with
  // content. Before anything else; blocking. unsupported: the file is not a log that we know.
  // io_error.
  Result<std::vector<RedoBatch>> recover();

  // Durable on return, all of them or none. Answers the batch's number, held once for each record
  // with content; nothing if the log cannot take them (they are too large, or the disk is short of
  // space): then nothing happened. io_error with outcome_known() false: the sync failed.
  // Records without content are taken whatever space is left.
  Task<std::optional<std::uint64_t>> append(std::vector<RedoRecord> records);

  // One holder of a batch needs it no more.
  void release(std::uint64_t batch);

  // Whether a start would find records of this share in the file.
  bool may_hold(ShareId share) const;
  // Half of the file is needed: whoever holds versions should make room.
  bool is_half_full();
  // While set, the log takes no more content: the files of what it holds cannot be made.
  void set_stuck(bool stuck);

  // Removes the file if nothing in it is needed; blocking. No append() is waiting.
  void remove_file();

 private:
  struct Pending {
    std::vector<RedoRecord> records;
    std::size_t bytes = 0;
    bool has_content = false;
    Completion<Result<std::optional<std::uint64_t>>> done;
  };
  struct Batch {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    std::size_t holders = 0;
    std::vector<ShareId> shares;
  };
  struct Place {
    std::uint64_t offset = 0;
    std::uint64_t number = 0;
    std::uint64_t oldest_live = 0;
  };
  enum class Room : std::uint8_t { found, declare_first, none };

  void run();
  std::vector<Pending> next_group();
  Result<std::optional<std::uint64_t>> write_group(std::vector<Pending>& group);
  Status write_batch(const Place& place, std::vector<RedoRecord> records);
  Status have_file();
  Status make_file();
  bool takes_none() const;
  std::size_t max_batch_bytes() const;

  // With mutex_ held:
  Room find_room(std::size_t bytes, Place& place);
  std::optional<std::uint64_t> offset_behind(std::uint64_t tail, std::size_t bytes) const;
  std::uint64_t oldest_needed();
  void forget_declared(std::uint64_t oldest_live);
  void scan(const std::vector<std::byte>& bytes, std::vector<FoundRedoBatch>& found,
            std::vector<std::uint64_t>& offsets) const;
  std::vector<RedoBatch> keep_live(std::vector<FoundRedoBatch> found,
                                   const std::vector<std::uint64_t>& offsets);

  FileSystem& files_;
  const std::string directory_;
  const std::string path_;
  const std::uint64_t wanted_bytes_;
  DurableFiles& durable_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable room_;
  std::vector<Pending> queue_;
  // Those of the file that are not declared void; numbers without gaps, the first is first_.
  std::deque<Batch> batches_;
  std::uint64_t first_ = 1;
  std::uint64_t next_ = 1;
  // No batch before this one is held.
  std::uint64_t needed_ = 1;
  std::uint64_t tail_ = kRedoBlockBytes;
  // The newest batch that names a share.
  std::unordered_map<ShareId, std::uint64_t, ShareIdHash> last_of_;
  bool stuck_ = false;
  bool stopping_ = false;

  // The writing thread's, but for recover() and remove_file().
  File file_;
  RedoHead head_;

  std::thread thread_;
};

}  // namespace sharestore
