#include "storage_server/node/cpu_monitor.h"

#include <chrono>
#include <ctime>

namespace sharestore {

namespace {

double process_cpu_s() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

}  // namespace

boost::asio::awaitable<void> CpuMonitor::run(const std::atomic<bool>& stopping) {
  while (!stopping) {
    {
      const std::lock_guard hold(mutex_);
      samples_.push_back({clock_.now(), process_cpu_s()});
      if (samples_.size() > kKept) samples_.pop_front();
    }
    co_await clock_.sleep_until(clock_.now() + kEvery);
  }
}

std::optional<double> CpuMonitor::average(std::size_t minutes) const {
  if (samples_.size() <= minutes) return std::nullopt;
  const Sample& newest = samples_.back();
  const Sample& oldest = samples_[samples_.size() - 1 - minutes];
  const double elapsed = std::chrono::duration<double>(newest.at - oldest.at).count();
  return (newest.cpu_s - oldest.cpu_s) / elapsed;
}

web::CpuUse CpuMonitor::use() const {
  const std::lock_guard hold(mutex_);
  return {process_cpu_s(), average(1), average(5), average(15)};
}

}  // namespace sharestore
