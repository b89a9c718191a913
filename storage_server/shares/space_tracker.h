// How much room is left: the backend's space, reserved_space, sizelimit, and what is promised to
// uploads and mutable writes under way.
//
// Any thread. Reservations must not outlive the tracker.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

#include "backends/backend.h"
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

   private:
    SpaceTracker* tracker_ = nullptr;
    std::uint64_t bytes_ = 0;
  };

  SpaceTracker(const ShareStoreOptions& options, Backend& backend, Index& index)
      : options_(options), backend_(backend), index_(index) {}

  // Asks the backend. On an error the room is taken to be nothing until the next answer.
  Task<void> refresh(OpContext context);

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
  std::uint64_t disk_left() const;
  std::uint64_t quota_left() const;
  std::optional<Reservation> reserve(std::uint64_t disk_bytes, std::uint64_t quota_bytes);

  const ShareStoreOptions& options_;
  Backend& backend_;
  Index& index_;
  mutable std::mutex mutex_;
  Space space_;
  std::mutex reserve_mutex_;  // one promise at a time: looked up and taken together
  std::atomic<std::uint64_t> reserved_bytes_ = 0;
};

}  // namespace sharestore
