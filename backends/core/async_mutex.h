// Locks for coroutines on any thread: one lock, and a table of locks by key.
//
// No thread ever blocks: a coroutine that must wait is queued and resumes on its own executor.
// First come, first served.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "backends/core/op_context.h"
#include "backends/core/task.h"

namespace sharestore {

// Most coroutines that may wait for one lock; beyond it they are refused with `busy`.
inline constexpr std::size_t kMaxLockWaiters = 1024;

class AsyncMutex {
 public:
  // Held until it is destroyed or moved from. The mutex must outlive it.
  class Guard {
   public:
    Guard() = default;
    explicit Guard(AsyncMutex* mutex) : mutex_(mutex) {}
    Guard(Guard&& other) noexcept : mutex_(std::exchange(other.mutex_, nullptr)) {}
    Guard& operator=(Guard&& other) noexcept {
      std::swap(mutex_, other.mutex_);
      return *this;
    }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    ~Guard() {
      if (mutex_ != nullptr) mutex_->unlock();
    }

   private:
    AsyncMutex* mutex_ = nullptr;
  };

  // Waits for the lock. timed_out: the deadline had passed when the turn came; holders are bound by
  // deadlines of their own, so that is soon after it. busy: too many are waiting.
  Task<Guard> lock(OpContext context) {
    if (!try_lock()) {
      const bool granted = co_await wait();
      if (!granted) co_return fail(Errc::busy, "too many requests wait for the same share");
    }
    Guard guard(this);
    if (context.expired()) {
      co_return fail(Errc::timed_out,
                     "the request's time ran out waiting for another on its share");
    }
    co_return guard;
  }

  // Takes the lock if nobody holds it.
  bool try_lock() {
    const std::lock_guard hold(mutex_);
    if (locked_) return false;
    locked_ = true;
    return true;
  }

  bool idle() const {
    const std::lock_guard hold(mutex_);
    return !locked_;
  }

 private:
  using Resume = std::move_only_function<void(bool)>;

  boost::asio::awaitable<bool> wait() {
    return boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void(bool)>(
        [this](auto handler) {
          auto executor = boost::asio::get_associated_executor(handler);
          auto guard = boost::asio::make_work_guard(executor);
          enqueue([handler = std::move(handler), executor,
                   guard = std::move(guard)](bool granted) mutable {
            boost::asio::post(executor, [handler = std::move(handler), granted]() mutable {
              std::move(handler)(granted);
            });
          });
        },
        boost::asio::use_awaitable);
  }

  void enqueue(Resume resume) {
    bool granted = false;
    {
      const std::lock_guard hold(mutex_);
      if (locked_ && waiting_.size() < kMaxLockWaiters) {
        waiting_.push_back(std::move(resume));
        return;
      }
      granted = !std::exchange(locked_, true);
    }
    resume(granted);
  }

  void unlock() {
    Resume next;
    {
      const std::lock_guard hold(mutex_);
      if (waiting_.empty()) {
        locked_ = false;
        return;
      }
      next = std::move(waiting_.front());
      waiting_.pop_front();
    }
    next(true);
  }

  mutable std::mutex mutex_;
  bool locked_ = false;
  std::deque<Resume> waiting_;
};

// A lock per key, made when wanted and gone when nobody holds or awaits it.
template <class Key, class Hash = std::hash<Key>>
class KeyedMutex {
  struct Entry {
    AsyncMutex mutex;
    std::size_t users = 0;
  };

 public:
  class Guard {
   public:
    Guard() = default;
    Guard(KeyedMutex* table, Key key) : table_(table), key_(std::move(key)) {}
    Guard(Guard&& other) noexcept
        : table_(std::exchange(other.table_, nullptr)),
          key_(std::move(other.key_)),
          lock_(std::move(other.lock_)) {}
    Guard& operator=(Guard&& other) noexcept {
      std::swap(table_, other.table_);
      std::swap(key_, other.key_);
      lock_ = std::move(other.lock_);
      return *this;
    }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    ~Guard() {
      if (table_ == nullptr) return;
      {
        const AsyncMutex::Guard released = std::move(lock_);
      }
      table_->leave(key_);
    }

   private:
    friend class KeyedMutex;
    KeyedMutex* table_ = nullptr;
    Key key_{};
    AsyncMutex::Guard lock_;
  };

  // As AsyncMutex::lock. The table must outlive the guard.
  Task<Guard> lock(OpContext context, Key key) {
    Guard guard(this, key);
    AsyncMutex& mutex = enter(key);
    auto held = co_await mutex.lock(context);
    if (!held) co_return fail(std::move(held.error()));
    guard.lock_ = std::move(*held);
    co_return guard;
  }

 private:
  AsyncMutex& enter(const Key& key) {
    const std::lock_guard hold(table_mutex_);
    Entry& entry = entries_[key];
    ++entry.users;
    return entry.mutex;
  }

  void leave(const Key& key) {
    const std::lock_guard hold(table_mutex_);
    const auto found = entries_.find(key);
    if (--found->second.users == 0) entries_.erase(found);
  }

  std::mutex table_mutex_;
  std::unordered_map<Key, Entry, Hash> entries_;
};

}  // namespace sharestore
