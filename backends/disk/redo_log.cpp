#include "backends/disk/redo_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include "backends/core/log.h"

namespace sharestore {
namespace {

// Records written by one sync. More gains nothing and makes the first wait for the last.
constexpr std::size_t kMaxBatchBytes = 1024 * 1024;
// A batch takes at most this part of the log, so that others are under way beside it.
constexpr std::size_t kLargestPart = 4;
// No log is larger: a file that is, is none.
constexpr std::uint64_t kMaxLogBytes = std::uint64_t{64} << 20;
// With less free space than this no file is promised that must be made later.
constexpr std::uint64_t kLeastFreeBytes = std::uint64_t{64} << 20;

}  // namespace

RedoLog::RedoLog(FileSystem& files, std::string directory, std::uint64_t log_bytes,
                 DurableFiles& durable)
    : files_(files),
      directory_(std::move(directory)),
      path_(directory_ + "/redo"),
      wanted_bytes_(std::min(log_bytes, kMaxLogBytes) / kRedoBlockBytes * kRedoBlockBytes),
      durable_(durable) {
  thread_ = std::thread([this] { run(); });
}

RedoLog::~RedoLog() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  room_.notify_one();
  thread_.join();
}

// --- what others ask for ------------------------------------------------------------------------

Task<std::optional<std::uint64_t>> RedoLog::append(std::vector<RedoRecord> records) {
  if (Status ok = durable_.writable(); !ok) co_return fail(ok.error());
  Pending pending;
  for (const RedoRecord& record : records) {
    pending.bytes += redo_record_bytes(record);
    pending.has_content |= record.content.has_value();
  }
  if (wanted_bytes_ == 0 && pending.has_content) co_return std::nullopt;
  pending.records = std::move(records);
  co_return co_await await_completion<Result<std::optional<std::uint64_t>>>(
      [this, pending = std::move(pending)](
          Completion<Result<std::optional<std::uint64_t>>> done) mutable {
        pending.done = std::move(done);
        {
          const std::lock_guard lock(mutex_);
          queue_.push_back(std::move(pending));
        }
        wake_.notify_one();
      });
}

void RedoLog::release(std::uint64_t batch) {
  const std::lock_guard lock(mutex_);
  if (batch < first_ || batch - first_ >= batches_.size()) return;
  Batch& held = batches_[batch - first_];
  if (held.holders == 0) return;
  if (--held.holders == 0) room_.notify_one();
}

bool RedoLog::may_hold(ShareId share) const {
  const std::lock_guard lock(mutex_);
  return last_of_.contains(share);
}

bool RedoLog::is_half_full() {
  const std::lock_guard lock(mutex_);
  const std::uint64_t oldest = oldest_needed();
  if (oldest == next_) return false;
  const std::uint64_t begin = batches_[oldest - first_].offset;
  const std::uint64_t used = tail_ > begin ? tail_ - begin : head_.log_bytes - (begin - tail_);
  return used * 2 > head_.log_bytes;
}

void RedoLog::set_stuck(bool stuck) {
  {
    const std::lock_guard lock(mutex_);
    stuck_ = stuck;
  }
  room_.notify_one();
}

void RedoLog::remove_file() {
  const std::lock_guard lock(mutex_);
  if (!file_.is_open() || oldest_needed() != next_ || durable_.poisoned()) return;
  file_.close();
  batches_.clear();
  last_of_.clear();
  first_ = needed_ = next_;
  if (files_.unlink(path_) >= 0) files_.sync_directory(directory_);
}

// --- the writing thread -------------------------------------------------------------------------

void RedoLog::run() {
  for (;;) {
    std::vector<Pending> group = next_group();
    if (group.empty()) return;
    const auto written = write_group(group);
    for (Pending& pending : group) pending.done(written);
  }
}

std::size_t RedoLog::max_batch_bytes() const {
  const std::uint64_t log_bytes = file_.is_open() ? head_.log_bytes : wanted_bytes_;
  return std::min<std::size_t>(kMaxBatchBytes, log_bytes / kLargestPart);
}

// With content or without, not both: what only voids records is taken also where content is not.
std::vector<RedoLog::Pending> RedoLog::next_group() {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
  std::size_t bytes = 0;
  auto end = queue_.begin();
  while (end != queue_.end() && end->has_content == queue_.front().has_content &&
         (bytes == 0 || redo_batch_bytes(bytes + end->bytes) <= max_batch_bytes())) {
    bytes += end->bytes;
    ++end;
  }
  std::vector<Pending> group(std::make_move_iterator(queue_.begin()), std::make_move_iterator(end));
  queue_.erase(queue_.begin(), end);
  return group;
}

bool RedoLog::takes_none() const {
  {
    const std::lock_guard lock(mutex_);
    if (stuck_) return true;
  }
  FileSystemSpace space;
  return files_.space(directory_, space) < 0 || space.free_bytes < kLeastFreeBytes;
}

// The group as one batch; all of it gets the same answer.
Result<std::optional<std::uint64_t>> RedoLog::write_group(std::vector<Pending>& group) {
  if (Status ok = durable_.writable(); !ok) return fail(ok.error());
  const bool has_content = std::ranges::any_of(group, &Pending::has_content);
  if (has_content && takes_none()) return std::nullopt;
  if (Status ok = have_file(); !ok) {
    if (Status writable = durable_.writable(); !writable) return fail(writable.error());
    log::warning("the redo log cannot be made, small changes go to their files at once: {}",
                 ok.error().message());
    return std::nullopt;
  }
  std::size_t bytes = 0;
  std::vector<RedoRecord> records;
  for (Pending& pending : group) {
    bytes += pending.bytes;
    std::ranges::move(pending.records, std::back_inserter(records));
  }
  if (redo_batch_bytes(bytes) > max_batch_bytes()) return std::nullopt;
  for (;;) {
    Place place;
    Room room = Room::none;
    {
      std::unique_lock lock(mutex_);
      room = find_room(redo_batch_bytes(bytes), place);
      if (room == Room::none) {
        if (stuck_) return std::nullopt;
        if (stopping_) return fail(Errc::cancelled, "the disk backend is stopping");
        room_.wait(lock);
        continue;
      }
    }
    if (room == Room::declare_first) {
      if (Status ok = write_batch(place, {}); !ok) return fail(ok.error());
      continue;
    }
    Status written = write_batch(place, std::move(records));
    if (!written && written.error().code() == Errc::no_space) return std::nullopt;
    if (!written) return fail(written.error());
    return place.number;
  }
}

Status RedoLog::write_batch(const Place& place, std::vector<RedoRecord> records) {
  const RedoBatch batch{place.number, place.oldest_live, std::move(records)};
  const std::string text = encode_redo_batch(head_.id, batch);
  Status wrote = file_.write(place.offset, as_byte_span(text));
  // Where blocks are never overwritten (copy on write) even this needs space. What was written of
  // the batch is not whole, so it is void.
  if (!wrote && wrote.error().code() == Errc::no_space) return wrote;
  if (wrote) {
    const int synced = files_.sync_data(file_.fd());
    if (synced < 0) wrote = fail(file_error(synced, "sync of the redo log"));
  }
  if (!wrote) {
    durable_.poison(wrote.error().message());
    return fail(Errc::io_error, wrote.error().message(), false);
  }
  const std::lock_guard lock(mutex_);
  Batch written{place.offset, text.size(), 0, {}};
  for (const RedoRecord& record : batch.records) {
    if (record.content) ++written.holders;
    written.shares.push_back(record.share);
    last_of_[record.share] = place.number;
  }
  batches_.push_back(std::move(written));
  tail_ = place.offset + text.size();
  next_ = place.number + 1;
  forget_declared(place.oldest_live);
  return {};
}

// --- room ---------------------------------------------------------------------------------------

std::uint64_t RedoLog::oldest_needed() {
  while (needed_ < next_ && batches_[needed_ - first_].holders == 0) ++needed_;
  return needed_;
}

std::optional<std::uint64_t> RedoLog::offset_behind(std::uint64_t tail, std::size_t bytes) const {
  if (batches_.empty()) {
    return tail + bytes <= head_.log_bytes ? tail : std::uint64_t{kRedoBlockBytes};
  }
  const std::uint64_t begin = batches_.front().offset;
  if (tail <= begin) return tail + bytes <= begin ? std::optional(tail) : std::nullopt;
  if (tail + bytes <= head_.log_bytes) return tail;
  if (kRedoBlockBytes + bytes <= begin) return kRedoBlockBytes;
  return std::nullopt;
}

// A block more than asked for must be free: it takes the empty batch that declares others void.
RedoLog::Room RedoLog::find_room(std::size_t bytes, Place& place) {
  place.number = next_;
  place.oldest_live = oldest_needed();
  if (const auto offset = offset_behind(tail_, bytes)) {
    place.offset = *offset;
    if (batches_.empty() || offset_behind(*offset + bytes, kRedoBlockBytes)) return Room::found;
  }
  if (place.oldest_live == first_) return Room::none;
  const auto offset = offset_behind(tail_, kRedoBlockBytes);
  if (!offset) return Room::none;
  place.offset = *offset;
  return Room::declare_first;
}

void RedoLog::forget_declared(std::uint64_t oldest_live) {
  for (; first_ < oldest_live && !batches_.empty(); ++first_, batches_.pop_front()) {
    for (const ShareId& share : batches_.front().shares) {
      const auto last = last_of_.find(share);
      if (last != last_of_.end() && last->second == first_) last_of_.erase(last);
    }
  }
}

// --- the file -----------------------------------------------------------------------------------

Status RedoLog::have_file() {
  if (file_.is_open()) return {};
  Status made = make_file();
  if (made) return {};
  file_.close();
  files_.unlink(path_);
  return made;
}

// All blocks written once: syncing what overwrites them changes nothing else in the file system.
Status RedoLog::make_file() {
  auto file = File::open(files_, path_, O_RDWR | O_CREAT | O_TRUNC, "redo log " + path_);
  if (!file) return fail(file.error());
  file_ = std::move(*file);
  const std::vector<std::byte> zeros(kCopyBufferBytes);
  for (std::uint64_t at = 0; at < wanted_bytes_; at += zeros.size()) {
    const auto piece =
        static_cast<std::size_t>(std::min<std::uint64_t>(zeros.size(), wanted_bytes_ - at));
    if (Status ok = file_.write(at, ByteSpan(zeros).first(piece)); !ok) return ok;
  }
  RedoHead head;
  head.log_bytes = wanted_bytes_;
  if (::getrandom(head.id.data(), head.id.size(), 0) != static_cast<ssize_t>(head.id.size())) {
    return fail(Errc::io_error, "the system gives no random bytes");
  }
  if (Status ok = file_.write(0, as_byte_span(encode_redo_head(head))); !ok) return ok;
  int synced = files_.sync_data(file_.fd());
  if (synced >= 0) synced = files_.sync_directory(directory_);
  if (synced < 0) {
    const Error error = file_error(synced, "sync of the redo log");
    durable_.poison(error.message());
    return fail(error);
  }
  const std::lock_guard lock(mutex_);
  head_ = head;
  tail_ = kRedoBlockBytes;
  return {};
}

Result<std::vector<RedoBatch>> RedoLog::recover() {
  auto file = File::open(files_, path_, O_RDWR, "redo log " + path_);
  if (!file && file.error().code() == Errc::not_found) return std::vector<RedoBatch>();
  if (!file) return fail(file.error());
  const auto size = file->size();
  if (!size) return fail(size.error());
  std::vector<std::byte> bytes(std::min(*size, kMaxLogBytes));
  if (Status ok = file->read(0, bytes); !ok) return fail(ok.error());
  const auto head =
      decode_redo_head(ByteSpan(bytes).first(std::min(bytes.size(), kRedoBlockBytes)));
  if (!head || head->log_bytes > bytes.size()) {
    const bool unfinished =
        std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{}; });
    // A stop while it was being made: no batch was ever written.
    if (unfinished) return std::vector<RedoBatch>();
    return fail(Errc::unsupported,
                path_ +
                    " is not a redo log that this program knows, and may hold changes that "
                    "were acknowledged; start the program that wrote it, or move it away");
  }
  const std::lock_guard lock(mutex_);
  file_ = std::move(*file);
  head_ = *head;
  bytes.resize(head_.log_bytes);
  std::vector<FoundRedoBatch> found;
  std::vector<std::uint64_t> offsets;
  scan(bytes, found, offsets);
  return keep_live(std::move(found), offsets);
}

void RedoLog::scan(const std::vector<std::byte>& bytes, std::vector<FoundRedoBatch>& found,
                   std::vector<std::uint64_t>& offsets) const {
  for (std::size_t at = kRedoBlockBytes; at < bytes.size();) {
    auto batch = decode_redo_batch(head_.id, ByteSpan(bytes).subspan(at));
    const std::size_t step = batch ? batch->bytes : kRedoBlockBytes;
    if (batch) {
      found.push_back(std::move(*batch));
      offsets.push_back(at);
    }
    at += step;
  }
}

std::vector<RedoBatch> RedoLog::keep_live(std::vector<FoundRedoBatch> found,
                                          const std::vector<std::uint64_t>& offsets) {
  if (found.empty()) return {};
  std::vector<std::size_t> order(found.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::sort(order, {}, [&found](std::size_t i) { return found[i].batch.number; });
  const RedoBatch& newest = found[order.back()].batch;
  first_ = needed_ = next_ = newest.oldest_live;
  std::vector<RedoBatch> live;
  for (const std::size_t i : order) {
    RedoBatch& batch = found[i].batch;
    if (batch.number < first_) continue;
    for (; next_ < batch.number; ++next_) {
      log::error("batch {} of {} is damaged: the changes in it are lost", next_, path_);
      batches_.push_back({offsets[i], 0, 0, {}});
    }
    Batch kept{offsets[i], found[i].bytes, 0, {}};
    for (const RedoRecord& record : batch.records) {
      if (record.content) ++kept.holders;
      kept.shares.push_back(record.share);
      last_of_[record.share] = batch.number;
    }
    batches_.push_back(std::move(kept));
    tail_ = offsets[i] + found[i].bytes;
    next_ = batch.number + 1;
    live.push_back(std::move(batch));
  }
  return live;
}

}  // namespace sharestore
