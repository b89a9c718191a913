#include "backends/disk/recent_shares.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "backends/core/log.h"
#include "backends/disk/disk_parts.h"

namespace sharestore {
namespace {

// Files made by the same syncs; each keeps a descriptor meanwhile.
constexpr std::size_t kMaxMadeAtOnce = 512;
// After a file could not be made, so many intervals pass before it is tried again.
constexpr int kIntervalsAfterTrouble = 4;
// While half of the log is needed: who waits for room waits for callers to record, too.
constexpr std::chrono::milliseconds kFullInterval{5};
constexpr int kMaxDirectoryTries = 100;

void add_mark(std::vector<FileMark>& marks, const FileMark& mark) {
  if (std::ranges::find(marks, mark) == marks.end()) marks.push_back(mark);
}

bool is_recorded(const RecentShares::Recorded& recorded) { return !recorded || *recorded; }

}  // namespace

// --- one version --------------------------------------------------------------------------------

RecentVersion::RecentVersion(Bytes content, const ShareHeader& header, ShareNumber number)
    : info_(to_share_info(number, header)),
      mark_(mark_of(header, content.span())),
      data_offset_(header.data_offset),
      content_(std::move(content)) {}

Bytes RecentVersion::content() const {
  const std::lock_guard lock(mutex_);
  return content_;
}

std::int64_t RecentVersion::read(FileSystem& files, std::uint64_t offset, MutableByteSpan into,
                                 bool wait) const {
  const std::lock_guard lock(mutex_);
  if (!file_.is_open()) {
    std::memcpy(into.data(), content_.data() + data_offset_ + offset, into.size());
    return static_cast<std::int64_t>(into.size());
  }
  if (!wait) return files.pread_now(file_.fd(), into, data_offset_ + offset);
  const Status read = file_.read(data_offset_ + offset, into);
  return read ? static_cast<std::int64_t>(into.size()) : -EIO;
}

void RecentVersion::now_in(File file) {
  const std::lock_guard lock(mutex_);
  file_ = std::move(file);
  content_ = {};
}

// --- what others ask for ------------------------------------------------------------------------

RecentShares::RecentShares(DiskParts& parts, std::uint64_t log_bytes,
                           std::chrono::milliseconds make_after)
    : parts_(parts),
      make_after_(make_after),
      log_(parts.files, parts.layout.side(), log_bytes, parts.durable) {
  thread_ = std::thread([this] { run(); });
}

RecentShares::~RecentShares() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

std::shared_ptr<RecentVersion> RecentShares::find(ShareId share) const {
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.find(share);
  return entry == entries_.end() ? nullptr : entry->second.newest;
}

std::shared_ptr<RecentVersion> RecentShares::find_any(StorageIndex storage_index) const {
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.lower_bound({storage_index, 0});
  const bool is_there = entry != entries_.end() && entry->first.storage_index == storage_index;
  return is_there ? entry->second.newest : nullptr;
}

std::vector<RedoRecord> RecentShares::records_of(const std::vector<NewVersion>& versions) const {
  std::vector<RedoRecord> records;
  const std::lock_guard lock(mutex_);
  for (const NewVersion& made : versions) {
    RedoRecord record{made.share, {made.before}, made.version->content()};
    const auto entry = entries_.find(made.share);
    if (entry != entries_.end()) {
      add_mark(record.before, entry->second.on_disk);
      if (entry->second.making) add_mark(record.before, *entry->second.making);
    }
    records.push_back(std::move(record));
  }
  return records;
}

Task<bool> RecentShares::commit(std::vector<NewVersion> versions, Recorded recorded) {
  const auto batch = co_await log_.append(records_of(versions));
  if (!batch) co_return fail(batch.error());
  if (!*batch) co_return false;
  take(versions, **batch, recorded);
  co_return true;
}

void RecentShares::take(const std::vector<NewVersion>& versions, std::uint64_t batch,
                        const Recorded& recorded) {
  const bool half_full = log_.is_half_full();
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    wake = entries_.empty() || (half_full && !hurry_);
    hurry_ |= half_full;
    for (const NewVersion& made : versions) {
      const auto [entry, fresh] = entries_.try_emplace(made.share);
      Entry& share = entry->second;
      if (fresh) {
        share.on_disk = made.before;
      } else {
        let_go({share.batch, std::move(share.recorded)});
      }
      share.newest = made.version;
      share.batch = batch;
      share.recorded = recorded;
    }
  }
  if (wake) wake_.notify_one();
}

// With mutex_ held.
void RecentShares::let_go(Held held) {
  if (is_recorded(held.recorded)) {
    log_.release(held.batch);
  } else {
    held_.push_back(std::move(held));
  }
}

Task<void> RecentShares::wait_for_round() {
  co_return co_await await_completion<Status>([this](Completion<Status> done) {
    {
      const std::lock_guard lock(mutex_);
      waiting_.push_back(std::move(done));
    }
    wake_.notify_one();
  });
}

Task<void> RecentShares::settle(StorageIndex storage_index) {
  if (!find_any(storage_index)) co_return Status{};
  co_return co_await wait_for_round();
}

Task<void> RecentShares::settle_all() {
  {
    const std::lock_guard lock(mutex_);
    if (entries_.empty()) co_return Status{};
  }
  co_return co_await wait_for_round();
}

Task<void> RecentShares::retire(ShareId share) {
  if (find(share)) {
    if (Status made = co_await wait_for_round(); !made) co_return made;
  }
  if (!log_.may_hold(share)) co_return Status{};
  const auto voided = co_await log_.append({RedoRecord{share, {}, std::nullopt}});
  if (!voided) co_return fail(voided.error());
  if (!*voided) co_return fail(Errc::no_space, "no room in the redo log");
  co_return Status{};
}

Task<void> RecentShares::finish() {
  const Status made = co_await wait_for_round();
  if (made) co_await parts_.pool.run([this] { return log_.remove_file(), Status{}; });
  co_return made;
}

std::string RecentShares::trouble() const {
  const std::lock_guard lock(mutex_);
  return trouble_;
}

// --- making files -------------------------------------------------------------------------------

struct RecentShares::Making {
  ShareId share;
  std::shared_ptr<RecentVersion> version;
  PendingFile file;
  bool renamed = false;
};

void RecentShares::run() {
  for (;;) {
    std::vector<Completion<Status>> waiting;
    {
      std::unique_lock lock(mutex_);
      const auto asked = [this] { return stopping_ || hurry_ || !waiting_.empty(); };
      wake_.wait(lock, [&] { return asked() || !entries_.empty() || !held_.empty(); });
      wake_.wait_for(lock, interval(), asked);
      if (stopping_) return;
      hurry_ = false;
      waiting.swap(waiting_);
    }
    const Status made = make_all();
    note(made);
    for (Completion<Status>& done : waiting) done(made);
  }
}

// With mutex_ held.
std::chrono::milliseconds RecentShares::interval() {
  if (!trouble_.empty()) return make_after_ * kIntervalsAfterTrouble;
  return log_.is_half_full() ? std::min(make_after_, kFullInterval) : make_after_;
}

void RecentShares::note(const Status& round) {
  const bool was_stuck = !trouble().empty();
  {
    const std::lock_guard lock(mutex_);
    trouble_ = round ? std::string() : round.error().message();
  }
  log_.set_stuck(!round);
  if (!round && !was_stuck) {
    log::error("small shares wait in the redo log, their files cannot be made: {}",
               round.error().message());
  }
}

Status RecentShares::make_all() {
  std::vector<ShareId> shares;
  {
    const std::lock_guard lock(mutex_);
    shares.reserve(entries_.size());
    for (const auto& [share, entry] : entries_) shares.push_back(share);
  }
  Status first_failure;
  for (std::size_t at = 0; at < shares.size(); at += kMaxMadeAtOnce) {
    const auto begin = shares.begin() + static_cast<std::ptrdiff_t>(at);
    const auto end =
        begin + static_cast<std::ptrdiff_t>(std::min(kMaxMadeAtOnce, shares.size() - at));
    if (Status ok = make({begin, end}); !ok && first_failure) first_failure = ok;
  }
  release_recorded();
  return first_failure;
}

Status RecentShares::make(const std::vector<ShareId>& shares) {
  if (Status ok = parts_.durable.writable(); !ok) return ok;
  std::vector<Making> makings;
  {
    const std::lock_guard lock(mutex_);
    for (const ShareId& share : shares) {
      const auto entry = entries_.find(share);
      if (entry == entries_.end()) continue;
      entry->second.making = entry->second.newest->mark();
      makings.push_back({share, entry->second.newest, {}});
    }
  }
  Status failure = write_files(makings);
  DurableFiles::Change change;
  for (const Making& making : makings) {
    if (!making.file.file.is_open()) continue;
    change.files.push_back(making.file.file.fd());
    std::ranges::move(share_directories(parts_.layout, making.share.storage_index),
                      std::back_inserter(change.directories));
  }
  if (change.files.empty()) {
    made(makings, false);
    return failure;
  }
  change.publish = [this, &makings, &failure]() -> Status {
    for (Making& making : makings) {
      if (!making.file.file.is_open()) continue;
      const Status moved = move_into_place(making);
      if (!moved && failure) failure = moved;
    }
    return {};
  };
  const Status durable = parts_.durable.commit_now(std::move(change));
  made(makings, durable.has_value());
  return durable ? failure : durable;
}

Status RecentShares::move_into_place(Making& making) {
  const std::string target = parts_.layout.share(making.share);
  int moved = -ENOENT;
  // The removal of another share may take the directory away again while it is empty.
  for (int tries = 0; moved == -ENOENT && tries < kMaxDirectoryTries; ++tries) {
    Status there = make_share_directories(parts_.files, parts_.layout, making.share.storage_index);
    if (!there) return there;
    moved = parts_.files.rename(making.file.path(), target);
  }
  if (moved < 0) return fail(file_error(moved, making.share.to_text()));
  making.renamed = true;
  making.file.keep();
  return {};
}

Status RecentShares::write_files(std::vector<Making>& makings) {
  Status failure;
  for (Making& making : makings) {
    auto file = create_pending(parts_, making.share);
    Status ok =
        file ? file->file.write(0, making.version->content().span()) : Status(fail(file.error()));
    if (ok) making.file = std::move(*file);
    if (!ok && failure) failure = ok;
  }
  return failure;
}

void RecentShares::made(std::vector<Making>& makings, bool durable) {
  const std::lock_guard lock(mutex_);
  for (Making& making : makings) {
    const auto entry = entries_.find(making.share);
    if (entry == entries_.end()) continue;
    Entry& share = entry->second;
    // Not known to be there and not known to be away: nothing more is promised then.
    if (making.renamed && !durable) continue;
    share.making.reset();
    if (!making.renamed) continue;
    share.on_disk = making.version->mark();
    making.version->now_in(std::move(making.file.file));
    if (share.newest != making.version) continue;
    let_go({share.batch, std::move(share.recorded)});
    entries_.erase(entry);
  }
}

void RecentShares::release_recorded() {
  const std::lock_guard lock(mutex_);
  std::erase_if(held_, [this](const Held& held) {
    if (!is_recorded(held.recorded)) return false;
    log_.release(held.batch);
    return true;
  });
}

}  // namespace sharestore
