// How much work runs behind somebody's back, and waiting until none does.
#pragma once

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>

#include "backends/core/async_event.h"

namespace sharestore {

// Any thread. Outlives the work; whoever ends it waits for idle() first.
class RunningWork {
 public:
  void begin() {
    const std::lock_guard hold(mutex_);
    ++running_;
  }
  void end() {
    std::shared_ptr<AsyncEvent> idle;
    {
      const std::lock_guard hold(mutex_);
      if (--running_ == 0) idle = std::exchange(idle_, nullptr);
    }
    if (idle) idle->set();
  }
  // Set when nothing runs; work begun later does not count.
  std::shared_ptr<AsyncEvent> idle() {
    const std::lock_guard hold(mutex_);
    if (!idle_) idle_ = std::make_shared<AsyncEvent>();
    const auto idle = idle_;
    if (running_ == 0) std::exchange(idle_, nullptr)->set();
    return idle;
  }

 private:
  std::mutex mutex_;
  std::size_t running_ = 0;
  std::shared_ptr<AsyncEvent> idle_;
};

}  // namespace sharestore
