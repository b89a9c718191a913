// A Journal in memory: durable in the sense that it outlives the backend under test.
//
// Any thread.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "backends/core/journal.h"

namespace sharestore {

class MemoryJournal final : public Journal {
 public:
  Task<void> note_upload(ShareId share, std::string store_note) override;
  Task<void> begin_slot_writes(std::vector<StorageIndex> storage_indexes) override;
  Task<std::uint64_t> put_intent(StorageIndex storage_index, std::string body) override;
  Task<void> drop_intent(std::uint64_t id) override;
  Result<std::vector<UnfinishedUpload>> unfinished_uploads() override;
  Result<std::vector<Intent>> intents() override;

  // What the layer above does when it allocates and when an upload ends.
  void begin_upload(UnfinishedUpload upload);
  void end_upload(ShareId share);

  // Slots that were said to be doubtful, ever.
  std::set<StorageIndex> doubtful() const;

  // Called before each call does anything, with its name ("put_intent", …); an error is returned to
  // the caller in place of doing it.
  void set_hook(std::function<Status(const char* call)> hook);

 private:
  Status before(const char* call);

  mutable std::mutex mutex_;
  std::function<Status(const char*)> hook_;
  std::map<ShareId, UnfinishedUpload> uploads_;
  std::map<std::uint64_t, Intent> intents_;
  std::set<StorageIndex> doubtful_;
  std::uint64_t next_id_ = 1;
};

}  // namespace sharestore
