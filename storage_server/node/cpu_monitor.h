// How much processor time the process takes, over the last minutes.
//
// run() on one executor; use() from any thread.
#pragma once

#include <boost/asio/awaitable.hpp>

#include <atomic>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>

#include "backends/core/clock.h"
#include "storage_server/web/status.h"

namespace sharestore {

class CpuMonitor {
 public:
  static constexpr std::chrono::minutes kEvery{1};

  // `clock` outlives it.
  explicit CpuMonitor(Clock& clock) : clock_(clock) {}

  // Takes a sample every minute until `stopping`; cancelled to wake it.
  boost::asio::awaitable<void> run(const std::atomic<bool>& stopping);

  // Averages are there once so much time was watched.
  web::CpuUse use() const;

 private:
  struct Sample {
    Monotonic at;
    double cpu_s = 0;
  };
  static constexpr std::size_t kKept = 16;  // 15 minutes

  std::optional<double> average(std::size_t minutes) const;

  Clock& clock_;
  mutable std::mutex mutex_;
  std::deque<Sample> samples_;  // the newest last
};

}  // namespace sharestore
