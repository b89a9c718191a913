// Changes that were answered and are not yet in the database: what reads lay over its rows.
//
// Only changes that somebody else remembers durably (RecordedFlag) come here, so that a stop loses
// nothing. A change goes when the transaction with it is committed; until then every look at its
// slot finds it here. A reader takes the changes before it reads rows: a row that is read later may
// have the change already, and having it twice is the same.
//
// Memory: bounded by the writer's queue. Threads: any.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "storage_server/index/index.h"

namespace sharestore::index_db {

class Unwritten {
 public:
  using Change = std::shared_ptr<const SlotUpdate>;

  void add(Change change);
  // It is in the database.
  void drop(const Change& change);
  // Those of the slot, oldest first.
  std::vector<Change> of(const StorageIndex& storage_index) const;

 private:
  mutable std::mutex mutex_;
  std::unordered_map<StorageIndex, std::vector<Change>, StorageIndexHash> changes_;
  std::atomic<std::size_t> count_{0};
};

// The row of a share that was written: `before` is what there was of it, or null.
ShareRow written_row(const ShareRow* before, const ShareInfo& info, std::int64_t now);

// What the change makes of a slot; the slot is not in doubt any more.
void lay_over(const SlotUpdate& change, Slot& slot);
// What it makes of the leases of one share; none: there is no such share.
void lay_over(const SlotUpdate& change, ShareNumber number, std::optional<Leases>& leases);

}  // namespace sharestore::index_db
