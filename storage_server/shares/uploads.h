// Immutable uploads in progress: who may write what, what has arrived, and when they end.
//
// An upload lives from allocate until it is complete, aborted, timed out (30 minutes without an
// accepted write) or the node stops. Any thread; the pieces of one upload are written one after
// another. Lock order: an upload's own lock before its storage index's.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "backends/backend.h"
#include "backends/core/async_mutex.h"
#include "storage_server/index/index.h"
#include "storage_server/shares/range_set.h"
#include "storage_server/shares/share_store.h"
#include "storage_server/shares/slots.h"
#include "storage_server/shares/space_tracker.h"

namespace sharestore {

class Uploads;

class Upload final : public UploadHandle, public std::enable_shared_from_this<Upload> {
 public:
  Upload(Uploads& uploads, ShareId share, std::uint64_t size_bytes, Lease lease, Secret secret,
         RecordedFlag recorded, std::unique_ptr<ShareWriter> writer,
         SpaceTracker::Reservation reservation);

  std::uint64_t allocated_bytes() const override { return size_bytes_; }
  Task<std::uint64_t> ready(OpContext context, std::uint64_t offset, std::uint64_t bytes) override;
  Task<void> write(OpContext context, std::uint64_t offset, Bytes data) override;
  Task<UploadProgress> finish_write(OpContext context) override;

  const ShareId& share() const { return share_; }
  bool secret_is(const Secret& secret) const { return secret_.equals(secret.reveal()); }
  // When the upload times out unless something is written before.
  Monotonic ends_at() const { return ends_at_; }
  bool timed_out() const;
  // Frees everything the upload holds. Success if it has ended already.
  Task<void> abort(OpContext context);
  // The same, unless a write that was under way has put the end off.
  Task<void> abort_if_timed_out(OpContext context);

 private:
  Task<void> compare(OpContext context, ByteRange range, std::uint64_t offset, Bytes data);
  Task<void> commit(OpContext context);
  Task<void> drop_row();
  // With the lock held, as compare() and commit() are.
  Task<void> end(OpContext context);
  bool has_ended() const;
  void touch();

  Uploads& uploads_;
  const ShareId share_;
  const std::uint64_t size_bytes_;
  const Lease lease_;
  const Secret secret_;
  AsyncMutex mutex_;
  // Null where the index has a row of the upload; see NewShare.
  const RecordedFlag recorded_;
  std::unique_ptr<ShareWriter> writer_;  // null once the upload has ended
  SpaceTracker::Reservation reservation_;
  RangeSet received_;
  std::atomic<Monotonic> ends_at_;
};

class Uploads {
 public:
  Uploads(Backend& backend, Index& index, Slots& slots, Clock& clock, std::size_t max_uploads)
      : backend_(backend), index_(index), slots_(slots), clock_(clock), max_uploads_(max_uploads) {}

  // Opens uploads for those of `numbers` that fit; the caller holds the slot and has sorted out the
  // shares that exist. `known_absent`: the index has nothing of them, not even that they are lost.
  // Answers the numbers allocated. Uploads under way are left out.
  Task<std::vector<ShareNumber>> begin(OpContext context, StorageIndex storage_index,
                                       std::vector<ShareNumber> numbers, bool known_absent,
                                       std::uint64_t size_bytes, Lease lease, Secret secret,
                                       SpaceTracker& space);

  std::shared_ptr<Upload> find(const ShareId& share) const;
  std::size_t count() const;

  // Aborts what has timed out; answers when to look again.
  boost::asio::awaitable<Monotonic> expire();
  Task<void> abort_all(OpContext context);

 private:
  friend class Upload;

  std::vector<std::shared_ptr<Upload>> all() const;
  void ended(const ShareId& share);

  Backend& backend_;
  Index& index_;
  Slots& slots_;
  Clock& clock_;
  const std::size_t max_uploads_;
  mutable std::mutex mutex_;
  std::map<ShareId, std::shared_ptr<Upload>> uploads_;
};

}  // namespace sharestore
