// How much room is left: the backend's space, reserved_space, sizelimit, and what is promised to
// uploads and mutable writes under way.
//
// Any thread. Reservations must not outlive the tracker.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include "backends/backend.h"
#include "backends/core/clock.h"
#include "storage_server/index/index.h"
#include "storage_server/shares/share_store.h"

namespace sharestore {

class SpaceTracker {
 public:
  // Bytes promised and not yet visible in the backend's own figures. Given back when destroyed.
  class Reservation {
   public:
    Reservation() = default;
    Reservation(SpaceTracker* tracker, std::uint64_t bytes) : tracker_(tracker), bytes_(bytes) {}
    Reservation(Reservation&& other) noexcept
        : tracker_(std::exchange(other.tracker_, nullptr)), bytes_(other.bytes_) {}
    Reservation& operator=(Reservation&& other) noexcept {
      std::swap(tracker_, other.tracker_);
      std::swap(bytes_, other.bytes_);
      return *this;
    }
    Reservation(const Reservation&) = delete;
    Reservation& operator=(const Reservation&) = delete;
    ~Reservation() {
      if (tracker_ != nullptr) tracker_->reserved_bytes_ -= bytes_;
    }

    // Gives it back a while after `recorded` became true: then the index counts the bytes. Null: at
    // once.
    void end_when(RecordedFlag recorded) {
      if (tracker_ != nullptr && recorded)
        tracker_->keep_until(std::move(recorded), std::move(*this));
      *this = Reservation();
    }

   private:
    SpaceTracker* tracker_ = nullptr;
    std::uint64_t bytes_ = 0;
  };

  SpaceTracker(const ShareStoreOptions& options, Backend& backend, Index& index, Clock& clock)
      : options_(options), backend_(backend), index_(index), clock_(clock) {}

  // Asks the backend. On an error the room is taken to be nothing until the next answer.
  Task<void> refresh(OpContext context);
  // The same, unless its last answer is fresh and left so much room beside `count` (not 0) times
  // `bytes` that nobody can have filled it since.
  Task<void> refresh_if_tight(OpContext context, std::uint64_t bytes, std::size_t count = 1);

  // What clients are told; open reservations count against the quota only, because the backend's
  // own figure moves with the bytes written (gbs-protocol.md section 3.1).
  SpaceReport report() const;
  // The backend's last figures, for status.
  Space backend_space() const;

  // Promises room for a new share of `data_bytes`, unless readonly or there is not enough.
  std::optional<Reservation> reserve_share(std::uint64_t data_bytes);
  // Promises room for a mutable write that adds `bytes`; readonly is the caller's matter.
  std::optional<Reservation> reserve_growth(std::uint64_t bytes);
  // Whether a lease record of `bytes` may be appended (disk-format.md section 5).
  bool room_for_record(std::uint64_t bytes) const { return report().available_bytes >= bytes; }

  std::uint64_t reserved_bytes() const { return reserved_bytes_; }

 private:
  struct Recording {
    RecordedFlag recorded;
    Reservation promised;
  };
  void keep_until(RecordedFlag recorded, Reservation promised);
  // With reserve_mutex_ held.
  void drop_recorded();
  std::uint64_t disk_left() const;
  std::uint64_t quota_left() const;
  std::optional<Reservation> reserve(std::uint64_t disk_bytes, std::uint64_t quota_bytes);

  const ShareStoreOptions& options_;
  Backend& backend_;
  Index& index_;
  Clock& clock_;
  mutable std::mutex mutex_;
  Space space_;
  Monotonic asked_at_{};
  // Of recordings_; and one promise at a time, looked up and taken together.
  std::mutex reserve_mutex_;
  std::atomic<std::uint64_t> reserved_bytes_ = 0;
  // In the order in which the index records them; bounded by what it has not written yet.
  std::deque<Recording> recordings_;
};

}  // namespace sharestore
