// Counters of a Google Benchmark case whose operations are timed one by one: latencies, processor
// time of the whole process, and allocations.
//
// An object belongs to one case and its thread.
#pragma once

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdint>
#include <ctime>

#include "bench/load/histogram.h"

namespace sharestore::measure {

// Calls of operator new by this process. Only programs with measure/allocations.cpp have it.
std::uint64_t allocations();

class Operations {
 public:
  explicit Operations(benchmark::State& state)
      : state_(state), allocations_(allocations()), cpu_(std::clock()) {}

  void add(std::chrono::steady_clock::duration took) {
    latency_.add(static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(took).count()));
  }

  // After the last iteration: what is per operation and per second. `bytes` are of one operation.
  void report(std::uint64_t bytes) {
    const auto count = static_cast<double>(latency_.count());
    state_.SetItemsProcessed(static_cast<std::int64_t>(latency_.count()));
    if (bytes > 0) state_.SetBytesProcessed(static_cast<std::int64_t>(latency_.count() * bytes));
    state_.counters["p50_us"] = latency_.part_us(0.5);
    state_.counters["p99_us"] = latency_.part_us(0.99);
    const double cpu_s = static_cast<double>(std::clock() - cpu_) / CLOCKS_PER_SEC;
    state_.counters["cpu_us"] = count > 0 ? cpu_s * 1e6 / count : 0;
    const auto made = static_cast<double>(allocations() - allocations_);
    state_.counters["allocs"] = count > 0 ? made / count : 0;
  }

 private:
  benchmark::State& state_;
  load::Histogram latency_;
  const std::uint64_t allocations_;
  const std::clock_t cpu_;
};

}  // namespace sharestore::measure
