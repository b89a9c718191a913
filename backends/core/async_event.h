// Something that happens once, awaited by coroutines on any threads.
#pragma once

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <functional>
#include <mutex>
#include <utility>
#include <vector>

namespace sharestore {

// Any thread. Whoever sets it must do so whatever happens: waiters have no deadline of their own.
class AsyncEvent {
 public:
  // Wakes every waiter, each on its own executor; later waits return at once.
  void set() {
    std::vector<std::move_only_function<void()>> waiting;
    {
      const std::lock_guard hold(mutex_);
      set_ = true;
      waiting.swap(waiting_);
    }
    for (auto& resume : waiting) resume();
  }

  bool is_set() const {
    const std::lock_guard hold(mutex_);
    return set_;
  }

  boost::asio::awaitable<void> wait() {
    return boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void()>(
        [this](auto handler) {
          auto executor = boost::asio::get_associated_executor(handler);
          auto guard = boost::asio::make_work_guard(executor);
          enqueue([handler = std::move(handler), executor, guard = std::move(guard)]() mutable {
            boost::asio::post(executor, std::move(handler));
          });
        },
        boost::asio::use_awaitable);
  }

 private:
  void enqueue(std::move_only_function<void()> resume) {
    {
      const std::lock_guard hold(mutex_);
      if (!set_) {
        waiting_.push_back(std::move(resume));
        return;
      }
    }
    resume();
  }

  mutable std::mutex mutex_;
  bool set_ = false;
  std::vector<std::move_only_function<void()>> waiting_;
};

}  // namespace sharestore
