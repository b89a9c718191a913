#include "backends/memory/memory_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "backends/core/limits.h"
#include "backends/core/state_name.h"
#include "backends/memory/chunked_data.h"

namespace sharestore {
namespace {

struct StoredShare {
  ShareInfo info;
  ChunkedData data;
};
using StoredSharePtr = std::shared_ptr<const StoredShare>;

// Everything the backend holds. Writers keep it alive on their own, so that one that is destroyed
// late finds its accounts.
struct Store {
  std::mutex mutex;
  std::map<ShareId, StoredSharePtr> shares;
  std::map<ShareId, StoredSharePtr> quarantined;
  std::map<std::string, Bytes> state;
  std::uint64_t used_bytes = 0;
  std::uint64_t max_bytes = 0;

  bool reserve_locked(std::uint64_t bytes) {
    if (bytes > max_bytes - used_bytes) return false;
    used_bytes += bytes;
    return true;
  }
};

std::unexpected<Error> full() { return fail(Errc::no_space, "the memory backend is full"); }

class MemoryReader final : public ShareReader {
 public:
  explicit MemoryReader(StoredSharePtr share) : share_(std::move(share)) {}

  const ShareInfo& info() const override { return share_->info; }

  std::optional<std::size_t> read_now(std::uint64_t offset, MutableByteSpan into) override {
    const std::size_t length = clipped(offset, into.size());
    if (length > 0) share_->data.read(offset, into.first(length));
    return length;
  }

  Task<Bytes> read(OpContext /*context*/, std::uint64_t offset, std::size_t max_bytes) override {
    const std::size_t length = clipped(offset, max_bytes);
    if (length == 0) co_return Bytes();
    co_return share_->data.read(offset, length);
  }

 private:
  std::size_t clipped(std::uint64_t offset, std::size_t bytes) const {
    const std::uint64_t size = share_->data.size();
    return offset >= size ? 0
                          : static_cast<std::size_t>(std::min<std::uint64_t>(bytes, size - offset));
  }

  StoredSharePtr share_;
};

class MemoryWriter final : public ShareWriter {
 public:
  MemoryWriter(std::shared_ptr<Store> store, ShareId share, std::uint64_t size_bytes)
      : store_(std::move(store)), share_(share), stored_(std::make_shared<StoredShare>()) {
    stored_->data.resize(size_bytes);
  }
  ~MemoryWriter() override { release(); }

  Task<void> write(OpContext /*context*/, std::uint64_t offset, Bytes data) override {
    if (!stored_) co_return ended();
    if (offset > stored_->data.size() || data.size() > stored_->data.size() - offset) {
      co_return fail(Errc::invalid_argument, "a write beyond the share's end");
    }
    co_return stored_->data.write(offset, *memory_source(std::move(data)));
  }

  Task<Bytes> read_back(OpContext /*context*/, std::uint64_t offset, std::size_t bytes) override {
    if (!stored_) co_return ended();
    if (offset > stored_->data.size() || bytes > stored_->data.size() - offset) {
      co_return fail(Errc::invalid_argument, "a read beyond the share's end");
    }
    // A copy: sharing the chunk would make the next write to it copy all of it.
    std::vector<std::byte> copy(bytes);
    stored_->data.read(offset, copy);
    co_return Bytes(std::move(copy));
  }

  Task<ShareInfo> commit(OpContext /*context*/, Leases /*leases*/) override {
    if (!stored_) co_return ended();
    StoredShare& share = *stored_;
    share.info.number = share_.number;
    share.info.kind = ShareKind::immutable;
    share.info.data_bytes = share.info.stored_bytes = share.data.size();
    const ShareInfo info = share.info;
    const std::lock_guard lock(store_->mutex);
    const bool placed = store_->shares.emplace(share_, stored_).second;
    if (!placed) co_return fail(Errc::already_exists, share_.to_text() + " is there");
    stored_.reset();
    co_return info;
  }

  Task<void> abort(OpContext /*context*/) override {
    release();
    co_return Status{};
  }

 private:
  static std::unexpected<Error> ended() {
    return fail(Errc::invalid_argument, "the upload has ended");
  }

  void release() {
    if (!stored_) return;
    const std::lock_guard lock(store_->mutex);
    store_->used_bytes -= stored_->data.size();
    stored_.reset();
  }

  std::shared_ptr<Store> store_;
  ShareId share_;
  std::shared_ptr<StoredShare> stored_;
};

// What a change makes of a share.
Result<std::shared_ptr<StoredShare>> changed_share(const StoredSharePtr& before,
                                                   const ShareChange& change,
                                                   const Secret& write_enabler) {
  auto after = before ? std::make_shared<StoredShare>(*before) : std::make_shared<StoredShare>();
  if (!before) {
    after->info.number = change.number;
    after->info.kind = ShareKind::mutable_slot;
    after->info.enabler_digest = blake2b_256(write_enabler.reveal());
  }
  for (const ShareChange::Write& write : change.writes) {
    const std::uint64_t length = write.data ? write.data->size() : 0;
    if (write.offset > limits::kMaxMutableShareBytes ||
        length > limits::kMaxMutableShareBytes - write.offset) {
      return fail(Errc::too_large, "the mutable share would be too large");
    }
    const std::uint64_t end = write.offset + length;
    if (end > after->data.size()) after->data.resize(end);
    if (length == 0) continue;
    if (Status ok = after->data.write(write.offset, *write.data); !ok) return fail(ok.error());
  }
  if (change.truncate_to && *change.truncate_to < after->data.size()) {
    after->data.resize(*change.truncate_to);
  }
  after->info.data_bytes = after->info.stored_bytes = after->data.size();
  return after;
}

class MemoryBackend final : public Backend {
 public:
  explicit MemoryBackend(MemoryOptions options) : store_(std::make_shared<Store>()) {
    store_->max_bytes = options.max_bytes;
    traits_.name = "memory";
    traits_.persistent = false;
  }

  const BackendTraits& traits() const override { return traits_; }
  Task<void> start(OpContext /*context*/) override { co_return Status{}; }
  Task<void> stop(OpContext /*context*/) override { co_return Status{}; }

  Task<std::vector<ShareInfo>> list(OpContext context, StorageIndex storage_index,
                                    std::vector<ShareNumber> known) override;
  Task<std::unique_ptr<ShareWriter>> create_immutable(OpContext context, NewShare share) override;
  Task<std::shared_ptr<ShareReader>> open(OpContext context, ShareId share) override;
  Task<std::vector<ShareInfo>> commit_slot(OpContext context, SlotCommit commit) override;
  Task<void> remove(OpContext context, ShareId share) override;
  Task<std::string> quarantine(OpContext context, ShareId share) override;
  Task<ScanPage> scan(OpContext context, ScanCursor cursor, std::size_t limit) override;
  Task<Leases> load_leases(OpContext context, ShareId share) override;
  Task<void> store_leases(OpContext context, ShareId share,
                          std::vector<LeaseUpdate> leases) override;
  Task<void> put_state(OpContext context, std::string name, Bytes content) override;
  Task<Bytes> get_state(OpContext context, std::string name) override;
  Task<std::vector<std::string>> list_state(OpContext context) override;
  Task<void> remove_state(OpContext context, std::string name) override;
  Task<Space> space(OpContext context) override;
  Health health() const override { return {}; }

 private:
  // What a share costs against max_bytes: an immutable one was reserved whole.
  static std::uint64_t cost(const StoredShare& share) {
    return share.info.kind == ShareKind::immutable ? share.data.size() : share.data.held_bytes();
  }
  Status exists(ShareId share) const;

  BackendTraits traits_;
  std::shared_ptr<Store> store_;
};

Status MemoryBackend::exists(ShareId share) const {
  const std::lock_guard lock(store_->mutex);
  if (!store_->shares.contains(share)) return fail(Errc::not_found, share.to_text());
  return {};
}

Task<std::vector<ShareInfo>> MemoryBackend::list(OpContext /*context*/, StorageIndex storage_index,
                                                 std::vector<ShareNumber> /*known*/) {
  const std::lock_guard lock(store_->mutex);
  std::vector<ShareInfo> shares;
  for (auto it = store_->shares.lower_bound({storage_index, 0});
       it != store_->shares.end() && it->first.storage_index == storage_index; ++it) {
    shares.push_back(it->second->info);
  }
  co_return shares;
}

Task<std::unique_ptr<ShareWriter>> MemoryBackend::create_immutable(OpContext /*context*/,
                                                                   NewShare wanted) {
  const auto& [share, size_bytes, known_absent, recorded] = wanted;
  {
    const std::lock_guard lock(store_->mutex);
    if (store_->shares.contains(share)) {
      co_return fail(Errc::already_exists, share.to_text() + " is there");
    }
    if (!store_->reserve_locked(size_bytes)) co_return full();
  }
  co_return std::make_unique<MemoryWriter>(store_, share, size_bytes);
}

Task<std::shared_ptr<ShareReader>> MemoryBackend::open(OpContext /*context*/, ShareId share) {
  const std::lock_guard lock(store_->mutex);
  const auto it = store_->shares.find(share);
  if (it == store_->shares.end()) co_return fail(Errc::not_found, share.to_text());
  co_return std::make_shared<MemoryReader>(it->second);
}

Task<std::vector<ShareInfo>> MemoryBackend::commit_slot(OpContext /*context*/, SlotCommit commit) {
  std::map<ShareNumber, StoredSharePtr> before;
  {
    const std::lock_guard lock(store_->mutex);
    for (auto it = store_->shares.lower_bound({commit.storage_index, 0});
         it != store_->shares.end() && it->first.storage_index == commit.storage_index; ++it) {
      if (it->second->info.kind == ShareKind::immutable) {
        co_return fail(Errc::conflict, it->first.to_text() + " is immutable");
      }
      before[it->first.number] = it->second;
    }
  }
  std::map<ShareNumber, std::shared_ptr<StoredShare>> after;
  std::uint64_t freed = 0;
  std::uint64_t needed = 0;
  for (const ShareChange& change : commit.changes) {
    if (after.contains(change.number)) {
      co_return fail(Errc::invalid_argument, "two changes of one share in a slot commit");
    }
    const auto it = before.find(change.number);
    if (it != before.end()) freed += cost(*it->second);
    if (change.remove) {
      after[change.number] = nullptr;
      continue;
    }
    auto share =
        changed_share(it == before.end() ? nullptr : it->second, change, commit.write_enabler);
    if (!share) co_return fail(share.error());
    needed += cost(**share);
    after[change.number] = std::move(*share);
  }
  const std::lock_guard lock(store_->mutex);
  if (needed > freed && !store_->reserve_locked(needed - freed)) co_return full();
  if (needed < freed) store_->used_bytes -= freed - needed;
  std::vector<ShareInfo> changed;
  for (auto& [number, share] : after) {
    const ShareId id{commit.storage_index, number};
    if (share) {
      changed.push_back(share->info);
      store_->shares[id] = std::move(share);
    } else {
      store_->shares.erase(id);
    }
  }
  co_return changed;
}

Task<void> MemoryBackend::remove(OpContext /*context*/, ShareId share) {
  const std::lock_guard lock(store_->mutex);
  const auto it = store_->shares.find(share);
  if (it != store_->shares.end()) {
    store_->used_bytes -= cost(*it->second);
    store_->shares.erase(it);
  }
  co_return Status{};
}

Task<std::string> MemoryBackend::quarantine(OpContext /*context*/, ShareId share) {
  const std::lock_guard lock(store_->mutex);
  const auto it = store_->shares.find(share);
  if (it != store_->shares.end()) {
    if (const auto old = store_->quarantined.find(share); old != store_->quarantined.end()) {
      store_->used_bytes -= cost(*old->second);
    }
    store_->quarantined[share] = it->second;
    store_->shares.erase(it);
  }
  co_return "quarantine/" + share.to_text();
}

Task<ScanPage> MemoryBackend::scan(OpContext /*context*/, ScanCursor cursor, std::size_t limit) {
  const std::lock_guard lock(store_->mutex);
  auto it = store_->shares.begin();
  if (const auto first = first_of_prefix(cursor.position)) {
    it = store_->shares.lower_bound({*first, 0});
  } else if (!cursor.position.empty()) {
    const std::size_t slash = cursor.position.find('/');
    const auto index = StorageIndex::from_text(cursor.position.substr(0, slash));
    const auto number = slash == std::string::npos
                            ? std::nullopt
                            : share_number_from_text(cursor.position.substr(slash + 1), true);
    if (!index || !number) co_return fail(Errc::invalid_argument, "not a cursor of this backend");
    it = store_->shares.upper_bound({*index, *number});
  }
  ScanPage page;
  for (; it != store_->shares.end() && page.shares.size() < limit; ++it) {
    ScannedShare scanned;
    scanned.share = it->first;
    scanned.info = it->second->info;
    scanned.stored_bytes = it->second->info.stored_bytes;
    page.shares.push_back(std::move(scanned));
  }
  page.finished = it == store_->shares.end();
  page.next.position = page.shares.empty() ? cursor.position : page.shares.back().share.to_text();
  co_return page;
}

Task<Leases> MemoryBackend::load_leases(OpContext /*context*/, ShareId share) {
  if (Status ok = exists(share); !ok) co_return fail(ok.error());
  co_return Leases{};
}

Task<void> MemoryBackend::store_leases(OpContext /*context*/, ShareId share,
                                       std::vector<LeaseUpdate> /*leases*/) {
  co_return exists(share);
}

Task<void> MemoryBackend::put_state(OpContext /*context*/, std::string name, Bytes content) {
  if (!is_state_name(name)) co_return fail(Errc::invalid_argument, "not a state name: " + name);
  if (content.size() > kMaxStateBytes) co_return fail(Errc::too_large, name + " is too large");
  const std::lock_guard lock(store_->mutex);
  const auto it = store_->state.find(name);
  const std::uint64_t before = it == store_->state.end() ? 0 : it->second.size();
  if (content.size() > before && !store_->reserve_locked(content.size() - before)) {
    co_return full();
  }
  if (content.size() < before) store_->used_bytes -= before - content.size();
  store_->state[name] = std::move(content);
  co_return Status{};
}

Task<Bytes> MemoryBackend::get_state(OpContext /*context*/, std::string name) {
  const std::lock_guard lock(store_->mutex);
  const auto it = store_->state.find(name);
  if (it == store_->state.end()) co_return fail(Errc::not_found, "no state blob " + name);
  co_return it->second;
}

Task<std::vector<std::string>> MemoryBackend::list_state(OpContext /*context*/) {
  const std::lock_guard lock(store_->mutex);
  std::vector<std::string> names;
  for (const auto& [name, content] : store_->state) names.push_back(name);
  co_return names;
}

Task<void> MemoryBackend::remove_state(OpContext /*context*/, std::string name) {
  const std::lock_guard lock(store_->mutex);
  const auto it = store_->state.find(name);
  if (it != store_->state.end()) {
    store_->used_bytes -= it->second.size();
    store_->state.erase(it);
  }
  co_return Status{};
}

Task<Space> MemoryBackend::space(OpContext /*context*/) {
  const std::lock_guard lock(store_->mutex);
  Space space;
  space.total_bytes = store_->max_bytes;
  space.free_bytes = space.free_for_root_bytes = store_->max_bytes - store_->used_bytes;
  space.max_immutable_bytes = store_->max_bytes;
  co_return space;
}

}  // namespace

std::unique_ptr<Backend> make_memory_backend(MemoryOptions options) {
  return std::make_unique<MemoryBackend>(options);
}

}  // namespace sharestore
