#include "tests/support/memory_journal.h"

#include <utility>

namespace sharestore {

Status MemoryJournal::before(const char* call) {
  std::function<Status(const char*)> hook;
  {
    const std::lock_guard lock(mutex_);
    hook = hook_;
  }
  return hook ? hook(call) : Status{};
}

Task<void> MemoryJournal::note_upload(ShareId share, std::string store_note) {
  if (Status ok = before("note_upload"); !ok) co_return fail(ok.error());
  const std::lock_guard lock(mutex_);
  const auto it = uploads_.find(share);
  if (it == uploads_.end()) co_return fail(Errc::not_found, "no such upload");
  it->second.store_note = std::move(store_note);
  co_return Status{};
}

Task<void> MemoryJournal::begin_slot_writes(std::vector<StorageIndex> storage_indexes) {
  if (Status ok = before("begin_slot_writes"); !ok) co_return fail(ok.error());
  const std::lock_guard lock(mutex_);
  doubtful_.insert(storage_indexes.begin(), storage_indexes.end());
  co_return Status{};
}

std::set<StorageIndex> MemoryJournal::doubtful() const {
  const std::lock_guard lock(mutex_);
  return doubtful_;
}

Task<std::uint64_t> MemoryJournal::put_intent(StorageIndex storage_index, std::string body) {
  if (Status ok = before("put_intent"); !ok) co_return fail(ok.error());
  const std::lock_guard lock(mutex_);
  const std::uint64_t id = next_id_++;
  intents_[id] = {id, storage_index, std::move(body)};
  co_return id;
}

Task<void> MemoryJournal::drop_intent(std::uint64_t id) {
  if (Status ok = before("drop_intent"); !ok) co_return fail(ok.error());
  const std::lock_guard lock(mutex_);
  intents_.erase(id);
  co_return Status{};
}

Result<std::vector<UnfinishedUpload>> MemoryJournal::unfinished_uploads() {
  if (Status ok = before("unfinished_uploads"); !ok) return fail(ok.error());
  const std::lock_guard lock(mutex_);
  std::vector<UnfinishedUpload> all;
  for (const auto& [share, upload] : uploads_) all.push_back(upload);
  return all;
}

Result<std::vector<Intent>> MemoryJournal::intents() {
  if (Status ok = before("intents"); !ok) return fail(ok.error());
  const std::lock_guard lock(mutex_);
  std::vector<Intent> all;
  for (const auto& [id, intent] : intents_) all.push_back(intent);
  return all;
}

void MemoryJournal::begin_upload(UnfinishedUpload upload) {
  const std::lock_guard lock(mutex_);
  const ShareId share = upload.share;
  uploads_[share] = std::move(upload);
}

void MemoryJournal::end_upload(ShareId share) {
  const std::lock_guard lock(mutex_);
  uploads_.erase(share);
}

void MemoryJournal::set_hook(std::function<Status(const char* call)> hook) {
  const std::lock_guard lock(mutex_);
  hook_ = std::move(hook);
}

}  // namespace sharestore
