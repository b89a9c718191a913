// What the writer thread publishes and readers look at without a database connection.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>

#include "storage_server/index/pending_leases.h"
#include "storage_server/index/share_rows.h"
#include "storage_server/index/unwritten.h"

namespace sharestore::index_db {

// When something last happened, unix seconds; 0: never.
struct ActivityTimes {
  std::atomic<std::int64_t> upload{0};
  std::atomic<std::int64_t> renewal{0};
  std::atomic<std::int64_t> download{0};
};

// Any thread. Outlives the store, the writer and the readers.
class SharedState {
 public:
  explicit SharedState(std::size_t pending_bytes) : pending(pending_bytes) {}

  PendingLeases pending;
  Unwritten unwritten;
  ActivityTimes activity;
  // The rebuild under way, 0 if none: rows of an older generation are not to be believed.
  std::atomic<std::int64_t> rebuild_generation{0};
  // When the last rebuild ended, unix seconds; 0: never.
  std::atomic<std::int64_t> rebuilt_at{0};
  // Slots marked doubtful, so that reads need not look where there are none.
  std::atomic<std::int64_t> doubtful_slots{0};

  Counters counters() const {
    std::lock_guard lock(mutex_);
    return counters_;
  }
  void set_counters(const Counters& counters) {
    std::lock_guard lock(mutex_);
    counters_ = counters;
  }

  // Uploads of an earlier run whose end is not known.
  bool is_leftover(const StorageIndex& si) const {
    if (leftover_count_.load() == 0) return false;
    std::lock_guard lock(mutex_);
    return leftovers_.contains(si);
  }
  std::vector<StorageIndex> leftovers() const {
    std::lock_guard lock(mutex_);
    return {leftovers_.begin(), leftovers_.end()};
  }
  void add_leftover(const StorageIndex& si) {
    std::lock_guard lock(mutex_);
    leftovers_.insert(si);
    leftover_count_.store(leftovers_.size());
  }
  void drop_leftover(const StorageIndex& si) {
    if (leftover_count_.load() == 0) return;
    std::lock_guard lock(mutex_);
    leftovers_.erase(si);
    leftover_count_.store(leftovers_.size());
  }

  // Poisoned: nothing is written any more until the next start; the first cause stays.
  void poison(std::string sentence) {
    std::lock_guard lock(mutex_);
    if (!poison_) poison_ = std::move(sentence);
  }
  std::optional<std::string> poisoned() const {
    std::lock_guard lock(mutex_);
    return poison_;
  }
  // A trouble that may pass; empty clears it.
  void set_trouble(std::string sentence) {
    std::lock_guard lock(mutex_);
    trouble_ = std::move(sentence);
  }
  std::string trouble() const {
    std::lock_guard lock(mutex_);
    return trouble_;
  }

 private:
  mutable std::mutex mutex_;
  Counters counters_;
  std::unordered_set<StorageIndex, StorageIndexHash> leftovers_;
  std::atomic<std::size_t> leftover_count_{0};
  std::optional<std::string> poison_;
  std::string trouble_;
};

}  // namespace sharestore::index_db
