// The writer thread: queued changes, one durable transaction per group.
//
// Whoever calls submit() resumes on its own executor after the commit that made its change durable.
// While the disk syncs, the next group gathers. The queue is bounded; senders beyond its limit wait
// for room in their own coroutines.
//
// A change that is remembered elsewhere (RecordedFlag) is answered at once, kept among the
// unwritten ones for readers, and written with many others a moment later. Where it cannot be
// written it stays there and is tried again; those that come meanwhile are answered as all others
// are.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "backends/core/task.h"
#include "storage_server/index/checkpointer.h"
#include "storage_server/index/store.h"

namespace sharestore::index_db {

// Changes in one transaction. More would only make the first of them wait.
inline constexpr std::size_t kMaxGroup = 1024;
// Changes that nobody waits for are written at the latest after so long, or when there are so many.
inline constexpr std::chrono::milliseconds kWriteBehind{50};
inline constexpr std::size_t kEnoughBehind = kMaxGroup / 2;
// After a failure, unless somebody waits for a change.
inline constexpr std::chrono::seconds kTryAgainAfter{1};

class Writer {
 public:
  // Takes the store over and starts the thread. `shared` outlives the writer.
  Writer(std::unique_ptr<Store> store, SharedState& shared, std::size_t max_queued);
  // As stop(false).
  ~Writer();

  // What a change does; its captures are its own. Not a template over the lambda: each would be
  // coroutines of its own.
  template <class T>
  using Work = std::move_only_function<Result<T>(Store&)>;

  // Runs the work in a transaction, at most once; answers when it is durable. Errors: the work's
  // own, or those of every write of the index. For the types instantiated in writer.cpp.
  template <class T>
  Task<T> submit(Work<T> work);

  // The same for a change with a flag: `work` writes what `change` says. Every look at the slot
  // finds it on return.
  Task<void> submit_behind(SlotUpdate change, Work<void> work);

  // Merges every pending renewal, then resumes. Errors: those of every write.
  Task<void> fold();

  // Commits what is queued, with `clean` writes the clean-stop mark, closes the database.
  // Idempotent; not from the writer's thread.
  void stop(bool clean);

 private:
  enum class Admission : std::uint8_t { admitted, full, stopped };

  struct Change {
    virtual ~Change() = default;
    virtual void run(Store& store) = 0;
    virtual void finish(const Status& committed) = 0;
    // Nobody waits for it.
    virtual bool is_behind() const { return false; }
  };
  struct ChangeBehind;

  template <class T, class Handler>
  struct ChangeOf;
  template <class T>
  boost::asio::awaitable<Result<T>> enqueue(Work<T> work);
  boost::asio::awaitable<void> wait_for_room();
  Admission reserve();
  void push(std::unique_ptr<Change> change);
  static Error stopped_error();

  // --- the thread
  struct Round {
    std::vector<std::unique_ptr<Change>> group;
    bool fold = false;  // somebody waits for it
    bool stop = false;
  };
  void run();
  Round next_round();
  void wait_for_work(std::unique_lock<std::mutex>& lock);
  bool must_go_on() const;
  void commit_group(std::vector<std::unique_ptr<Change>>& group);
  void put_back(std::vector<std::unique_ptr<Change>>& group);
  void fold_now_and_then(const Round& round);
  void fold_all();
  void note_failure(const Status& status);
  Status writable() const;
  void end(bool clean);

  SharedState& shared_;
  const std::size_t max_queued_;
  std::unique_ptr<Store> store_;
  std::optional<Checkpointer> checkpointer_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::unique_ptr<Change>> queue_;
  // Those in the queue that somebody waits for.
  std::size_t awaited_ = 0;
  // What nobody waits for could not be written.
  bool is_stuck_ = false;
  std::size_t reserved_ = 0;  // admitted and not yet taken by the writer
  std::deque<std::move_only_function<void()>> waiting_for_room_;
  std::vector<std::move_only_function<void(Status)>> waiting_for_fold_;
  bool stopping_ = false;
  bool clean_ = false;

  // --- the thread's own
  std::chrono::steady_clock::time_point last_fold_ = std::chrono::steady_clock::now();
  // No merging after a failed one until something was committed again.
  bool fold_failed_ = false;

  std::mutex join_mutex_;
  std::thread thread_;
};

}  // namespace sharestore::index_db
