#include "backends/core/operation_meter.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace sharestore {

double OperationFigures::quantile(double fraction) const {
  const auto kept = static_cast<double>(samples.size());
  const double rank = std::clamp(std::ceil(fraction * kept), 1.0, kept);
  return static_cast<double>(samples[static_cast<std::size_t>(rank) - 1]);
}

std::size_t OperationMeter::shard_of_this_thread() {
  static std::atomic<std::size_t> threads{0};
  thread_local const std::size_t own = threads.fetch_add(1) % kShards;
  return own;
}

void OperationMeter::time(Duration elapsed) {
  const auto taken = std::chrono::duration_cast<std::chrono::nanoseconds>(elapsed);
  add(mine().nanoseconds, static_cast<std::uint64_t>(std::max<std::int64_t>(0, taken.count())));
  const std::uint64_t place = timed_.fetch_add(1, std::memory_order_relaxed);
  samples_[place % kSamples].store(std::chrono::duration<float>(elapsed).count(),
                                   std::memory_order_relaxed);
}

OperationFigures OperationMeter::read() const {
  OperationFigures figures;
  std::uint64_t nanoseconds = 0;
  for (const Shard& shard : shards_) {
    figures.count += shard.count.load(std::memory_order_relaxed);
    figures.failures += shard.failures.load(std::memory_order_relaxed);
    figures.bytes += shard.bytes.load(std::memory_order_relaxed);
    nanoseconds += shard.nanoseconds.load(std::memory_order_relaxed);
  }
  figures.seconds = static_cast<double>(nanoseconds) * 1e-9;
  figures.timed = timed_.load(std::memory_order_relaxed);
  const std::size_t kept = std::min<std::uint64_t>(figures.timed, kSamples);
  figures.samples.reserve(kept);
  for (std::size_t i = 0; i < kept; ++i) {
    figures.samples.push_back(samples_[i].load(std::memory_order_relaxed));
  }
  std::ranges::sort(figures.samples);
  return figures;
}

}  // namespace sharestore
