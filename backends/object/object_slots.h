// Mutable shares in a container: every change makes a new whole object; a set of changes is
// completed from the journal after a crash.
//
// Any thread; the caller serialises changes of one storage index. What it refers to outlives it.
#pragma once

#include <array>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "backends/backend.h"
#include "backends/core/io_pool.h"
#include "backends/core/journal.h"
#include "backends/object/container.h"
#include "backends/object/object_key.h"

namespace sharestore {

// Keys whose last write has an unknown outcome: a late request might still be executed by the
// store, so they take no new version for a while. Any thread.
class UnsettledKeys {
 public:
  explicit UnsettledKeys(Clock& clock) : clock_(clock) {}

  void add(const std::string& key);
  // unavailable while the key waits.
  Status check(const std::string& key);

 private:
  static constexpr std::size_t kMaxKeys = 4096;
  Clock& clock_;
  std::mutex mutex_;
  std::map<std::string, Monotonic> until_;
  Monotonic all_until_;
};

// Puts `content` whole, in parts where it is larger than `part_bytes`.
Task<ObjectInfo> put_whole(OpContext context, ObjectContainer& container, std::string key,
                           ByteSourcePtr content, PutCondition condition, std::uint64_t part_bytes);

class ObjectSlots {
 public:
  struct Options {
    std::uint64_t part_bytes = 0;
    std::filesystem::path spool_directory;
    std::array<unsigned char, 20> node_id{};
  };

  ObjectSlots(Options options, const ObjectKeys& keys, ObjectContainer& container, Journal& journal,
              IoPool& pool, UnsettledKeys& unsettled)
      : options_(std::move(options)),
        keys_(keys),
        container_(container),
        journal_(journal),
        pool_(pool),
        unsettled_(unsettled) {}

  // Backend::commit_slot.
  Task<std::vector<ShareInfo>> commit(OpContext context, SlotCommit commit);

  // Completes the sets of changes that the journal holds, then empties the spool directory of what
  // no intent names. Called at start, before anything else; safe to repeat.
  Task<void> complete_intents(OpContext context);

  // Completes what an accepted set of this slot still lacks after a failure: before the slot is
  // looked at or changed again, so that a later start never repeats old bytes over newer ones.
  Task<void> complete_pending(OpContext context, StorageIndex storage_index);

 private:
  // What one share becomes.
  struct Version {
    ShareNumber number = 0;
    bool remove = false;
    ByteSourcePtr content;
    PutCondition condition;
    ShareInfo info;
  };

  Task<Version> prepare(OpContext context, StorageIndex storage_index, ShareChange change,
                        Secret write_enabler);
  Task<void> apply(OpContext context, StorageIndex storage_index, Version version);
  Task<void> apply_all(OpContext context, StorageIndex storage_index,
                       std::vector<Version> versions);
  Task<void> complete(OpContext context, Intent recorded);

  const Options options_;
  const ObjectKeys& keys_;
  ObjectContainer& container_;
  Journal& journal_;
  IoPool& pool_;
  UnsettledKeys& unsettled_;
  std::mutex mutex_;
  std::map<StorageIndex, Intent> pending_;  // accepted and not complete; bounded by failed requests
};

}  // namespace sharestore
