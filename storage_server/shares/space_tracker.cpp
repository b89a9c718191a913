#include "storage_server/shares/space_tracker.h"

#include <algorithm>
#include <limits>

#include "backends/core/limits.h"
#include "backends/share_file/layout.h"

namespace sharestore {

namespace {

// A share file with one lease record.
constexpr std::uint64_t kImmutableOverheadBytes = kImmutableHeaderBytes + kImmutableLeaseBytes;

// An answer is fresh for so long, and no disk is filled with so much meanwhile. The store asks
// every second.
constexpr std::chrono::seconds kFreshFor{2};
constexpr std::uint64_t kAmpleBytes = std::uint64_t{8} << 30;

std::uint64_t minus(std::uint64_t a, std::uint64_t b) { return a > b ? a - b : 0; }

}  // namespace

Task<void> SpaceTracker::refresh(OpContext context) {
  {
    const std::lock_guard hold(reserve_mutex_);
    drop_recorded();
  }
  const Monotonic now = clock_.now();
  auto space = co_await backend_.space(context);
  const std::lock_guard hold(mutex_);
  space_ = space ? *space : Space{};
  asked_at_ = now;
  if (!space) co_return fail(std::move(space.error()));
  co_return Status{};
}

Task<void> SpaceTracker::refresh_if_tight(OpContext context, std::uint64_t bytes,
                                          std::size_t count) {
  Monotonic asked_at;
  {
    const std::lock_guard hold(mutex_);
    asked_at = asked_at_;
  }
  const bool is_fresh = clock_.now() - asked_at < kFreshFor;
  const std::uint64_t left = minus(disk_left(), reserved_bytes_);
  if (is_fresh && left >= kAmpleBytes && (left - kAmpleBytes) / count >= bytes) co_return Status{};
  co_return co_await refresh(context);
}

Space SpaceTracker::backend_space() const {
  const std::lock_guard hold(mutex_);
  return space_;
}

std::uint64_t SpaceTracker::disk_left() const {
  return minus(backend_space().free_bytes, options_.reserved_space_bytes);
}

std::uint64_t SpaceTracker::quota_left() const {
  if (options_.sizelimit_bytes == 0) return std::numeric_limits<std::uint64_t>::max();
  const IndexTotals totals = index_.totals();
  return minus(options_.sizelimit_bytes,
               totals.immutable_bytes + totals.mutable_bytes + reserved_bytes_);
}

SpaceReport SpaceTracker::report() const {
  SpaceReport report;
  report.max_mutable_bytes = limits::kMaxMutableShareBytes;
  if (options_.readonly || !backend_.health().ok) return report;
  const std::uint64_t left = std::min(disk_left(), minus(quota_left(), kImmutableOverheadBytes));
  report.available_bytes = std::min(left, limits::kMaxAdvertisedBytes);
  report.max_immutable_bytes =
      std::min(report.available_bytes, backend_space().max_immutable_bytes);
  return report;
}

std::optional<SpaceTracker::Reservation> SpaceTracker::reserve(std::uint64_t disk_bytes,
                                                               std::uint64_t quota_bytes) {
  const std::lock_guard hold(reserve_mutex_);
  drop_recorded();
  if (disk_bytes > minus(disk_left(), reserved_bytes_)) return std::nullopt;
  if (quota_bytes > quota_left()) return std::nullopt;
  reserved_bytes_ += quota_bytes;
  return Reservation(this, quota_bytes);
}

void SpaceTracker::keep_until(RecordedFlag recorded, Reservation promised) {
  const std::lock_guard hold(reserve_mutex_);
  recordings_.push_back({std::move(recorded), std::move(promised)});
}

void SpaceTracker::drop_recorded() {
  while (!recordings_.empty() && *recordings_.front().recorded) recordings_.pop_front();
}

std::optional<SpaceTracker::Reservation> SpaceTracker::reserve_share(std::uint64_t data_bytes) {
  if (options_.readonly || data_bytes > report().max_immutable_bytes) return std::nullopt;
  return reserve(data_bytes, data_bytes + kImmutableOverheadBytes);
}

std::optional<SpaceTracker::Reservation> SpaceTracker::reserve_growth(std::uint64_t bytes) {
  return reserve(bytes, bytes);
}

}  // namespace sharestore
