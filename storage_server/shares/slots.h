// One storage index at a time: its lock, its settled rows, and its open readers.
//
// This is where the four states of a share are told apart for a request: present, absent,
// unavailable (an error), lost (architecture: contracts). Any thread; outlives every HeldSlot.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "backends/backend.h"
#include "backends/core/async_mutex.h"
#include "storage_server/index/index.h"
#include "storage_server/shares/reader_cache.h"

namespace sharestore {

// A storage index under its lock, with rows that can be believed.
class HeldSlot {
 public:
  StorageIndex storage_index;
  std::vector<ShareRow> shares;  // every state, ascending; headers of present ones are known
  KeyedMutex<StorageIndex, StorageIndexHash>::Guard lock;

  // The row of a share that clients may see, or null.
  const ShareRow* present(ShareNumber number) const;
  const ShareRow* any(ShareNumber number) const;
  bool holds(ShareKind kind) const;  // a present share of that kind
};

class Slots {
 public:
  // architecture.md section 5: for 24 h after a bucket's rebuild a miss asks the store.
  static constexpr std::int64_t kDistrustSeconds = 24LL * 60 * 60;

  Slots(Backend& backend, Index& index, Clock& clock, std::size_t max_open_readers)
      : backend_(backend), index_(index), clock_(clock), readers_(max_open_readers) {}

  // What the index says, in doubt also where a miss is not to be trusted: for kDistrustSeconds
  // after a rebuild from listings that may lag. `wanted`: shares that matter; empty: any.
  Result<Slot> look(const StorageIndex& storage_index, const std::vector<ShareNumber>& wanted);

  // Locks the storage index, settles it if it is in doubt, and reads headers not yet read.
  // `wanted`: numbers to ask the store for by name, where a miss is not to be trusted.
  Task<HeldSlot> hold(OpContext context, StorageIndex storage_index,
                      std::vector<ShareNumber> wanted = {});

  // Asks the backend what the slot really holds and makes the index agree. The caller holds the
  // lock. `expected`: numbers that may be there beside the index's own.
  Task<void> settle(OpContext context, StorageIndex storage_index,
                    std::vector<ShareNumber> expected);

  // A cached reader, or null.
  std::shared_ptr<ShareReader> try_open(const ShareId& share) { return readers_.find(share); }
  // not_found: absent, lost or being removed. unavailable: the index has it and the store does not
  // (yet): not to be taken for absent. Takes the lock only where something is wrong.
  Task<std::shared_ptr<ShareReader>> open(OpContext context, ShareId share);
  // The same for a caller that holds the lock and has seen the share's row.
  Task<std::shared_ptr<ShareReader>> open_held(OpContext context, ShareId share);

  // What came of a change could not be told or recorded: until the slot is settled every look at it
  // is in doubt. `recorded` (SlotCommit) becomes true then. Bounded by what the backend remembers
  // of unrecorded changes. The caller holds the lock.
  void distrust(const StorageIndex& storage_index, RecordedFlag recorded);

  // The share was changed: readers opened before are not handed out again.
  void changed(const ShareId& share) { readers_.drop(share); }

  // The caller holds the lock, and no reader gets the share until the answer goes. Nothing:
  // somebody reads it now.
  std::optional<ReaderCache::Removal> begin_removal(const ShareId& share) {
    return readers_.begin_removal(share);
  }
  // Completes the removals that were begun in a slot whose lock the caller holds: from the store,
  // then from the index and `slot`. Whoever would write such a share must do that first.
  Task<void> finish_removals(OpContext context, HeldSlot& slot);

  // The store said that a share which the index has is not there. Lost only when it said so twice,
  // at least kMissingGrace apart; until then unavailable. The caller holds the lock.
  Task<void> missing(ShareId share);
  // The share is damaged, and how: it goes to quarantine and is lost. Answers where it lies. The
  // caller holds the lock.
  Task<std::string> damaged(OpContext context, ShareId share, Error error);

  static constexpr std::chrono::seconds kMissingGrace{30};

 private:
  Task<void> read_headers(OpContext context, HeldSlot& slot);
  bool is_distrusted(const StorageIndex& storage_index) const;
  void trust(const StorageIndex& storage_index);

  static constexpr std::size_t kMaxMissing = 4096;

  Backend& backend_;
  Index& index_;
  Clock& clock_;
  ReaderCache readers_;
  KeyedMutex<StorageIndex, StorageIndexHash> locks_;
  mutable std::mutex distrusted_mutex_;
  std::map<StorageIndex, std::vector<RecordedFlag>> distrusted_;
  // Its size, so that nearly every look costs no lock.
  std::atomic<std::size_t> distrusted_count_{0};
  std::mutex missing_mutex_;
  std::map<ShareId, Monotonic> first_missed_;
};

}  // namespace sharestore
