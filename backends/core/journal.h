// What a backend must have remembered before it acts, so that a restart completes or undoes it
// without searching the store.
//
// The index implements it and main injects it; backends call it. Any thread. Every Task is durable
// when it returns success; on an error nothing may be assumed and the caller does not act.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "backends/core/storage_index.h"
#include "backends/core/task.h"

namespace sharestore {

// An immutable upload that was allocated and not yet finished.
struct UnfinishedUpload {
  ShareId share;
  std::uint64_t size_bytes = 0;
  // Unix seconds of the allocation.
  std::int64_t started_at = 0;
  // The backend's own words: a store-side upload id, spool name, parts stored. Empty at first.
  std::string store_note;
};

// A set of changes that was accepted and must be completed, in the backend's own encoding.
struct Intent {
  std::uint64_t id = 0;
  StorageIndex storage_index;
  std::string body;
};

class Journal {
 public:
  virtual ~Journal() = default;

  // Replaces the store note of an unfinished upload (upload begun at the store, part stored).
  // not_found if no such upload is recorded.
  virtual Task<void> note_upload(ShareId share, std::string store_note) = 0;

  // From now on what is recorded of these slots counts as doubtful, until the caller of the backend
  // records what came of it.
  virtual Task<void> begin_slot_writes(std::vector<StorageIndex> storage_indexes) = 0;

  // Records an intent; returns its id. Ids are never used again.
  virtual Task<std::uint64_t> put_intent(StorageIndex storage_index, std::string body) = 0;
  // Forgets a completed intent. Unknown ids are success.
  virtual Task<void> drop_intent(std::uint64_t id) = 0;

  // What was open when the node last stopped, read once at start before anything is served.
  virtual Result<std::vector<UnfinishedUpload>> unfinished_uploads() = 0;
  virtual Result<std::vector<Intent>> intents() = 0;
};

}  // namespace sharestore
