#include "backends/object/object_slots.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>
#include <utility>

#include "backends/core/temporary_file.h"
#include "backends/object/object_fetch.h"
#include "backends/object/object_writer.h"
#include "backends/object/older_layout.h"
#include "backends/object/slot_intent.h"
#include "backends/share_file/slot_plan.h"

namespace sharestore {

namespace {

// A late request of a broken connection is not executed by the store after this.
constexpr std::chrono::seconds kUnsettledGrace{30};
constexpr std::uint64_t kPieceBytes = 1 << 20;

ReadAt read_of(std::shared_ptr<const std::vector<std::byte>> bytes) {
  return [bytes](std::uint64_t offset, MutableByteSpan into) -> Status {
    if (offset + into.size() > bytes->size()) return fail(Errc::corrupt, "truncated");
    std::copy_n(bytes->begin() + static_cast<std::ptrdiff_t>(offset), into.size(), into.begin());
    return {};
  };
}

Status write_edits(TemporaryFile& file, const SlotPlan& plan) {
  std::vector<std::byte> piece;
  for (const FileEdit& edit : plan.edits) {
    for (std::uint64_t at = 0; at < edit.length; at += piece.size()) {
      piece.assign(std::min(kPieceBytes, edit.length - at), std::byte{0});
      if (edit.source) {
        auto read = edit.source->read(edit.source_offset + at, piece);
        if (!read) return read;
      }
      auto written = file.write(edit.offset + at, piece);
      if (!written) return written;
    }
  }
  return {};
}

ReadAt read_of(std::shared_ptr<TemporaryFile> file) {
  return [file](std::uint64_t offset, MutableByteSpan into) { return file->read(offset, into); };
}

}  // namespace

void UnsettledKeys::add(const std::string& key) {
  const std::lock_guard hold(mutex_);
  const Monotonic now = clock_.now();
  std::erase_if(until_, [now](const auto& entry) { return entry.second <= now; });
  // None may be forgotten: where there are too many, every key waits.
  if (until_.size() >= kMaxKeys)
    all_until_ = now + kUnsettledGrace;
  else
    until_[key] = now + kUnsettledGrace;
}

Status UnsettledKeys::check(const std::string& key) {
  const std::lock_guard hold(mutex_);
  const auto found = until_.find(key);
  const Monotonic until = found == until_.end() ? all_until_ : std::max(found->second, all_until_);
  if (until <= clock_.now()) return {};
  return fail(Errc::unavailable,
              key + ": what became of the last write is not known yet; try again in 30 s");
}

Task<ObjectInfo> put_whole(OpContext context, ObjectContainer& container, std::string key,
                           ByteSourcePtr content, PutCondition condition,
                           std::uint64_t part_bytes) {
  const std::uint64_t size = content->size();
  auto part = part_size_for(size, part_bytes, container.traits());
  if (!part) co_return fail(std::move(part.error()));
  if (size <= *part) co_return co_await container.put(context, key, content, condition);
  auto upload = co_await container.begin_multipart(context, key);
  if (!upload) co_return fail(std::move(upload.error()));
  std::vector<MultipartPart> parts;
  Status sent;
  for (std::uint64_t at = 0; at < size && sent; at += *part) {
    auto stored = co_await container.upload_part(
        context, *upload, static_cast<std::uint32_t>(parts.size() + 1),
        slice_source(content, at, std::min(*part, size - at)));
    if (!stored)
      sent = fail(std::move(stored.error()));
    else
      parts.push_back(std::move(*stored));
  }
  if (!sent) {
    auto aborted = co_await container.abort_multipart(context, *upload);
    if (!aborted) spdlog::warn("{}: parts are swept at the next start", key);
    co_return fail(std::move(sent.error()));
  }
  co_return co_await container.complete_multipart(context, *upload, std::move(parts), condition);
}

Task<ObjectSlots::Version> ObjectSlots::prepare(OpContext context, StorageIndex storage_index,
                                                ShareChange change, Secret write_enabler) {
  Version version;
  version.number = change.number;
  version.remove = change.remove;
  if (change.remove) co_return version;
  const std::string key = keys_.share({storage_index, change.number});
  auto fetched = co_await fetch_object(context, container_, pool_, options_.spool_directory, key);
  const bool there = fetched.has_value();
  if (!there && fetched.error().code() != Errc::not_found) {
    co_return fail(std::move(fetched.error()));
  }
  FetchedObject current = there ? std::move(*fetched) : FetchedObject();
  auto work = [this, there, current, change = std::move(change),
               write_enabler = std::move(write_enabler)]() mutable -> Result<Version> {
    Result<SlotPlan> plan = SlotPlan{};
    if (there) {
      const ReadAt read = current.memory ? read_of(current.memory) : read_of(current.file);
      std::vector<std::byte> start(std::min<std::uint64_t>(current.size_bytes, kShareHeaderBytes));
      if (auto loaded = read(0, start); !loaded) return fail(std::move(loaded.error()));
      if (is_older_layout(start)) {
        return fail(Errc::forbidden,
                    "the share is in the older layout of chunks, which is only read here");
      }
      auto before = load_mutable_container(read, current.size_bytes);
      if (!before) return fail(std::move(before.error()));
      plan = plan_change(*before, change, options_.node_id);
    } else {
      plan = plan_new_share(change, write_enabler.reveal(), options_.node_id);
    }
    if (!plan) return fail(std::move(plan.error()));
    Version made;
    made.number = change.number;
    made.info = to_share_info(change.number, plan->after.header);
    const std::uint64_t size = plan->after.header.file_bytes;
    if (!current.file && size <= kFetchInMemoryBytes) {
      std::vector<std::byte> bytes = current.memory ? *current.memory : std::vector<std::byte>();
      auto applied = apply_in_memory(*plan, bytes);
      if (!applied) return fail(std::move(applied.error()));
      made.content = memory_source(Bytes(std::move(bytes)));
      return made;
    }
    if (!current.file) {
      auto file = TemporaryFile::create(options_.spool_directory);
      if (!file) return fail(std::move(file.error()));
      current.file = std::move(*file);
      if (current.memory) {
        auto copied = current.file->write(0, *current.memory);
        if (!copied) return fail(std::move(copied.error()));
      }
    }
    auto written = write_edits(*current.file, *plan);
    if (!written) return fail(std::move(written.error()));
    made.content = file_source(current.file, 0, size);
    return made;
  };
  auto made = co_await pool_.run(std::move(work));
  if (!made) co_return fail(made.error().with_context(key));
  const ContainerTraits& traits = container_.traits();
  if (there && traits.put_if_match) made->condition.if_match = current.etag;
  if (!there && traits.put_if_absent) made->condition.if_absent = true;
  co_return made;
}

Task<void> ObjectSlots::apply(OpContext context, StorageIndex storage_index, Version version) {
  const std::string key = keys_.share({storage_index, version.number});
  if (version.remove) {
    auto removed = co_await container_.remove(context, key);
    if (!removed && !removed.error().outcome_known()) unsettled_.add(key);
    co_return removed;
  }
  const bool guarded = version.condition.if_absent || !version.condition.if_match.empty();
  auto put = co_await put_whole(context, container_, key, version.content, version.condition,
                                options_.part_bytes);
  if (put) co_return Status{};
  if (!put.error().outcome_known() && !guarded) unsettled_.add(key);
  co_return fail(std::move(put.error()));
}

Task<void> ObjectSlots::apply_all(OpContext context, StorageIndex storage_index,
                                  std::vector<Version> versions) {
  std::vector<IntentEntry> entries;
  std::vector<ByteSourcePtr> sources;
  for (const Version& version : versions) {
    entries.push_back({version.number, version.remove, 0, 0});
    sources.push_back(version.content);
  }
  auto spool = [directory = options_.spool_directory, entries = std::move(entries),
                sources = std::move(sources)]() mutable {
    return spool_intent(directory, std::move(entries), sources);
  };
  auto intent = co_await pool_.run(std::move(spool));
  if (!intent) co_return fail(std::move(intent.error()));
  auto recorded = co_await journal_.put_intent(storage_index, encode_intent(*intent));
  if (!recorded) co_return fail(std::move(recorded.error()));
  // From here on the set is accepted: whatever happens, it is completed.
  {
    const std::lock_guard hold(mutex_);
    pending_[storage_index] = Intent{*recorded, storage_index, encode_intent(*intent)};
  }
  auto done = co_await complete_pending(context, storage_index);
  if (!done) co_return fail(done.error().code(), done.error().message(), false);
  co_return Status{};
}

Task<void> ObjectSlots::complete_pending(OpContext context, StorageIndex storage_index) {
  Intent intent;
  {
    const std::lock_guard hold(mutex_);
    const auto found = pending_.find(storage_index);
    if (found == pending_.end()) co_return Status{};
    intent = found->second;
  }
  auto done = co_await complete(context, std::move(intent));
  if (!done) co_return done;
  const std::lock_guard hold(mutex_);
  pending_.erase(storage_index);
  co_return Status{};
}

Task<void> ObjectSlots::complete(OpContext context, Intent recorded) {
  auto intent = decode_intent(recorded.body);
  if (!intent) co_return fail(std::move(intent.error()));
  auto load = [directory = options_.spool_directory, intent = *intent]() {
    return load_intent(directory, intent);
  };
  auto sources = co_await pool_.run(std::move(load));
  if (!sources) co_return fail(sources.error().with_context("completing an accepted write"));
  for (std::size_t i = 0; i < intent->entries.size(); ++i) {
    Version version;
    version.number = intent->entries[i].number;
    version.remove = intent->entries[i].remove;
    version.content = (*sources)[i];
    auto settled = unsettled_.check(keys_.share({recorded.storage_index, version.number}));
    if (!settled) co_return settled;
    auto applied = co_await apply(context, recorded.storage_index, std::move(version));
    if (!applied) co_return applied;
  }
  auto dropped = co_await journal_.drop_intent(recorded.id);
  if (!dropped) co_return dropped;
  auto clear = [file = options_.spool_directory / intent->file_name]() -> Status {
    std::error_code ignored;
    std::filesystem::remove(file, ignored);
    return {};
  };
  co_return co_await pool_.run(std::move(clear));
}

Task<std::vector<ShareInfo>> ObjectSlots::commit(OpContext context, SlotCommit commit) {
  const StorageIndex storage_index = commit.storage_index;
  auto pending = co_await complete_pending(context, storage_index);
  if (!pending) co_return fail(std::move(pending.error()));
  std::set<ShareNumber> numbers;
  for (const ShareChange& change : commit.changes) {
    if (!numbers.insert(change.number).second) {
      co_return fail(Errc::invalid_argument, "two changes of one share in a set");
    }
    auto settled = unsettled_.check(keys_.share({storage_index, change.number}));
    if (!settled) co_return fail(std::move(settled.error()));
  }
  std::vector<Version> versions;
  std::vector<ShareInfo> infos;
  for (ShareChange& change : commit.changes) {
    change.leases.clear();  // leases of objects live in the index and in state/
    auto version =
        co_await prepare(context, storage_index, std::move(change), commit.write_enabler);
    if (!version) co_return fail(std::move(version.error()));
    if (!version->remove) infos.push_back(version->info);
    versions.push_back(std::move(*version));
  }
  std::ranges::sort(infos, {}, &ShareInfo::number);
  Status done;
  if (versions.size() == 1) {
    done = co_await apply(context, storage_index, std::move(versions.front()));
  } else if (!versions.empty()) {
    done = co_await apply_all(context, storage_index, std::move(versions));
  }
  if (!done) co_return fail(std::move(done.error()));
  co_return infos;
}

Task<void> ObjectSlots::complete_intents(OpContext context) {
  auto intents = journal_.intents();
  if (!intents) co_return fail(std::move(intents.error()));
  for (Intent& recorded : *intents) {
    auto completed = co_await complete(context, std::move(recorded));
    if (!completed) co_return completed;
  }
  // Every intent is complete, so nothing in the spool is wanted any more.
  auto clear = [directory = options_.spool_directory]() -> Status {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
      std::filesystem::remove(entry.path(), error);
    }
    return {};
  };
  co_return co_await pool_.run(std::move(clear));
}

}  // namespace sharestore
