// Counts one kind of operation and how long it takes, for metrics.
//
// Any thread. Recording takes no lock and no memory: threads are spread over shards, so that those
// that record at once rarely touch the same cache line.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "backends/core/clock.h"

namespace sharestore {

struct OperationFigures {
  std::uint64_t count = 0;
  std::uint64_t failures = 0;
  std::uint64_t bytes = 0;
  double seconds = 0;  // of all that were timed, together
  std::uint64_t timed = 0;
  // The newest durations in seconds, ascending; at most kSamples.
  std::vector<float> samples;

  // The smallest duration that at least `fraction` (0 to 1) of the samples do not exceed; there is
  // at least one.
  double quantile(double fraction) const;
};

class OperationMeter {
 public:
  static constexpr std::size_t kSamples = 1024;

  void count(std::uint64_t bytes = 0) {
    Shard& shard = mine();
    add(shard.count, 1);
    if (bytes != 0) add(shard.bytes, bytes);
  }
  void count_failure() { add(mine().failures, 1); }
  // Beside count().
  void time(Duration elapsed);

  OperationFigures read() const;

 private:
  static constexpr std::size_t kShards = 4;
  struct alignas(64) Shard {
    std::atomic<std::uint64_t> count = 0;
    std::atomic<std::uint64_t> failures = 0;
    std::atomic<std::uint64_t> bytes = 0;
    std::atomic<std::uint64_t> nanoseconds = 0;
  };

  static void add(std::atomic<std::uint64_t>& counter, std::uint64_t amount) {
    counter.fetch_add(amount, std::memory_order_relaxed);
  }
  static std::size_t shard_of_this_thread();
  Shard& mine() { return shards_[shard_of_this_thread()]; }

  std::array<Shard, kShards> shards_;
  alignas(64) std::atomic<std::uint64_t> timed_ = 0;
  // The newest ones, written round and round.
  std::array<std::atomic<float>, kSamples> samples_{};
};

}  // namespace sharestore
