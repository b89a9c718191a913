#include "storage_server/shares/uploads.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "backends/core/limits.h"

namespace sharestore {

namespace {

// How often time-outs are looked for at the least; an upload ends at most this much late.
constexpr std::chrono::seconds kExpireInterval{10};

Error ended_error(const ShareId& share) {
  return Error(Errc::not_found, "the upload of " + share.to_text() + " has ended");
}

}  // namespace

// --- one upload -----------------------------------------------------------------------------

Upload::Upload(Uploads& uploads, ShareId share, std::uint64_t size_bytes, Lease lease,
               Secret secret, RecordedFlag recorded, std::unique_ptr<ShareWriter> writer,
               SpaceTracker::Reservation reservation)
    : uploads_(uploads),
      share_(share),
      size_bytes_(size_bytes),
      lease_(lease),
      secret_(std::move(secret)),
      recorded_(std::move(recorded)),
      writer_(std::move(writer)),
      reservation_(std::move(reservation)),
      ends_at_(uploads.clock_.now() + limits::kUploadIdle) {}

bool Upload::timed_out() const { return ends_at_.load() <= uploads_.clock_.now(); }

// Timed out is ended, also before the round that frees it.
bool Upload::has_ended() const { return !writer_ || timed_out(); }

void Upload::touch() { ends_at_ = uploads_.clock_.now() + limits::kUploadIdle; }

Task<std::uint64_t> Upload::ready(OpContext context, std::uint64_t offset, std::uint64_t bytes) {
  const auto self = shared_from_this();
  auto lock = co_await mutex_.lock(context);
  if (!lock) co_return fail(std::move(lock.error()));
  if (has_ended()) co_return fail(ended_error(share_));
  co_return co_await writer_->ready(context, offset, bytes);
}

Task<void> Upload::write(OpContext context, std::uint64_t offset, Bytes data) {
  const auto self = shared_from_this();
  auto lock = co_await mutex_.lock(context);
  if (!lock) co_return fail(std::move(lock.error()));
  if (has_ended()) co_return fail(ended_error(share_));
  if (offset > size_bytes_ || data.size() > size_bytes_ - offset) {
    co_return fail(Errc::invalid_argument,
                   "bytes beyond the allocated size of " + std::to_string(size_bytes_) + " bytes");
  }
  if (data.empty()) co_return Status{};
  const ByteRange range{offset, offset + data.size()};
  for (const ByteRange& known : received_.present_in(range)) {
    auto same = co_await compare(context, known, offset, data);
    if (!same) co_return fail(std::move(same.error()));
  }
  for (const ByteRange& gap : received_.missing_in(range)) {
    if (received_.ranges() >= RangeSet::kMaxRanges) {
      co_return fail(Errc::busy, "the upload is in too many separate pieces");
    }
    auto written = co_await writer_->write(context, gap.begin,
                                           data.slice(gap.begin - offset, gap.end - gap.begin));
    if (!written) co_return fail(std::move(written.error()));
    received_.add(gap);
  }
  touch();
  co_return Status{};
}

Task<void> Upload::compare(OpContext context, ByteRange range, std::uint64_t offset, Bytes data) {
  for (std::uint64_t at = range.begin; at < range.end;) {
    const std::size_t wanted = std::min<std::uint64_t>(range.end - at, limits::kSpoolAboveBytes);
    auto stored = co_await writer_->read_back(context, at, wanted);
    if (!stored) co_return fail(std::move(stored.error()));
    if (stored->text() != data.slice(at - offset, wanted).text()) {
      co_return fail(Errc::conflict, "the bytes differ from those written before");
    }
    at += wanted;
  }
  co_return Status{};
}

Task<UploadProgress> Upload::finish_write(OpContext context) {
  const auto self = shared_from_this();
  auto lock = co_await mutex_.lock(context);
  if (!lock) co_return fail(std::move(lock.error()));
  if (has_ended()) co_return fail(ended_error(share_));
  UploadProgress progress;
  progress.required = received_.missing_in({0, size_bytes_});
  if (!progress.required.empty() || size_bytes_ == 0) co_return progress;
  auto committed = co_await commit(context);
  // Complete or failed, the upload is over: a client that was refused starts again.
  writer_.reset();
  reservation_.end_when(committed ? recorded_ : nullptr);
  if (!committed) co_return fail(std::move(committed.error()));
  progress.complete = true;
  co_return progress;
}

Task<void> Upload::commit(OpContext context) {
  auto info = co_await writer_->commit(context, {lease_});
  // What is durable must get its row, whatever the client's deadline says by now.
  const OpContext after(uploads_.clock_, uploads_.clock_.now() + limits::kRequestBudget,
                        context.request_id());
  auto held = co_await uploads_.slots_.hold(after, share_.storage_index);
  if (!held) {
    if (recorded_) uploads_.slots_.distrust(share_.storage_index, recorded_);
    uploads_.ended(share_);
    co_return fail(held.error().code(), held.error().message(), false);
  }
  if (!info && info.error().outcome_known()) {
    uploads_.ended(share_);
    auto dropped = co_await drop_row();
    if (!dropped) spdlog::warn("upload {}: {}", share_.to_text(), dropped.error().message());
    co_return fail(std::move(info.error()));
  }
  Status done;
  if (info) {
    done = co_await uploads_.index_.finish_upload(
        share_, *info, lease_, unix_seconds(uploads_.clock_.utc_now()), recorded_);
  } else {
    // The reply was lost: what the store has decides.
    done = co_await uploads_.slots_.settle(after, share_.storage_index, {share_.number});
    auto slot = uploads_.index_.find(share_.storage_index);
    const bool there =
        done && slot && std::ranges::any_of(slot->shares, [&](const ShareRow& row) {
          return row.info.number == share_.number && row.state == ShareState::present;
        });
    if (done && !there) done = fail(std::move(info.error()));
    if (done && recorded_) *recorded_ = true;
  }
  if (!done && recorded_) uploads_.slots_.distrust(share_.storage_index, recorded_);
  uploads_.ended(share_);
  co_return done;
}

Task<void> Upload::abort(OpContext context) {
  const auto self = shared_from_this();
  auto lock = co_await mutex_.lock(context);
  if (!lock) co_return fail(std::move(lock.error()));
  co_return co_await end(context);
}

Task<void> Upload::abort_if_timed_out(OpContext context) {
  const auto self = shared_from_this();
  auto lock = co_await mutex_.lock(context);
  if (!lock) co_return fail(std::move(lock.error()));
  // A write that was under way has put the end off.
  if (!timed_out()) co_return Status{};
  co_return co_await end(context);
}

Task<void> Upload::end(OpContext context) {
  if (!writer_) co_return Status{};
  auto freed = co_await writer_->abort(context);
  if (!freed) spdlog::warn("aborting upload {}: {}", share_.to_text(), freed.error().message());
  writer_.reset();
  reservation_ = {};
  auto dropped = co_await drop_row();
  uploads_.ended(share_);
  co_return dropped;
}

Task<void> Upload::drop_row() {
  if (recorded_) co_return Status{};
  co_return co_await uploads_.index_.drop_uploads(share_.storage_index, {share_.number});
}

// --- all of them ----------------------------------------------------------------------------

Task<std::vector<ShareNumber>> Uploads::begin(OpContext context, StorageIndex storage_index,
                                              std::vector<ShareNumber> numbers, bool known_absent,
                                              std::uint64_t size_bytes, Lease lease, Secret secret,
                                              SpaceTracker& space) {
  std::vector<ShareNumber> fitting;
  std::vector<SpaceTracker::Reservation> room;
  for (const ShareNumber number : numbers) {
    if (find({storage_index, number}) != nullptr) continue;
    if (count() + fitting.size() >= max_uploads_) break;
    auto reserved = space.reserve_share(size_bytes);
    if (!reserved) continue;
    fitting.push_back(number);
    room.push_back(std::move(*reserved));
  }
  std::vector<ShareNumber> begun;
  if (fitting.empty()) co_return begun;
  const bool has_rows = size_bytes > backend_.traits().remembered_share_bytes;
  if (has_rows) {
    auto recorded = co_await index_.begin_uploads(storage_index, fitting, size_bytes,
                                                  unix_seconds(clock_.utc_now()));
    if (!recorded) co_return fail(std::move(recorded.error()));
  }
  std::vector<ShareNumber> refused;
  for (std::size_t i = 0; i < fitting.size(); ++i) {
    const ShareId share{storage_index, fitting[i]};
    const auto recorded = has_rows ? nullptr : std::make_shared<std::atomic<bool>>(false);
    auto writer =
        co_await backend_.create_immutable(context, {share, size_bytes, known_absent, recorded});
    if (!writer) {
      spdlog::warn("upload {} not begun: {}", share.to_text(), writer.error().message());
      refused.push_back(share.number);
      continue;
    }
    auto upload = std::make_shared<Upload>(*this, share, size_bytes, lease, secret, recorded,
                                           std::move(*writer), std::move(room[i]));
    const std::lock_guard hold(mutex_);
    uploads_.emplace(share, std::move(upload));
    begun.push_back(share.number);
  }
  if (has_rows && !refused.empty()) {
    auto dropped = co_await index_.drop_uploads(storage_index, std::move(refused));
    if (!dropped) co_return fail(std::move(dropped.error()));
  }
  co_return begun;
}

std::shared_ptr<Upload> Uploads::find(const ShareId& share) const {
  const std::lock_guard hold(mutex_);
  const auto found = uploads_.find(share);
  return found == uploads_.end() ? nullptr : found->second;
}

std::size_t Uploads::count() const {
  const std::lock_guard hold(mutex_);
  return uploads_.size();
}

std::vector<std::shared_ptr<Upload>> Uploads::all() const {
  std::vector<std::shared_ptr<Upload>> uploads;
  const std::lock_guard hold(mutex_);
  uploads.reserve(uploads_.size());
  for (const auto& [share, upload] : uploads_) uploads.push_back(upload);
  return uploads;
}

void Uploads::ended(const ShareId& share) {
  const std::lock_guard hold(mutex_);
  uploads_.erase(share);
}

boost::asio::awaitable<Monotonic> Uploads::expire() {
  Monotonic next = clock_.now() + kExpireInterval;
  for (const auto& upload : all()) {
    if (!upload->timed_out()) {
      next = std::min(next, upload->ends_at());
      continue;
    }
    spdlog::info("upload {}: nothing written for 30 minutes, aborted", upload->share().to_text());
    auto gone = co_await upload->abort_if_timed_out(
        OpContext(clock_, clock_.now() + limits::kRequestBudget));
    if (!gone) spdlog::warn("upload {}: {}", upload->share().to_text(), gone.error().message());
  }
  co_return next;
}

Task<void> Uploads::abort_all(OpContext context) {
  Status first_failure;
  for (const auto& upload : all()) {
    auto gone = co_await upload->abort(context);
    if (!gone && first_failure) first_failure = fail(std::move(gone.error()));
  }
  co_return first_failure;
}

}  // namespace sharestore
