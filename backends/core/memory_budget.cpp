#include "backends/core/memory_budget.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <list>
#include <mutex>
#include <vector>

namespace sharestore {

namespace asio = boost::asio;

// All members under the account's mutex.
struct MemoryBudget::Waiter {
  std::size_t bytes = 0;
  bool queued = false;
  bool granted = false;
  std::function<void()> resume;
};

struct MemoryBudget::Account {
  Account(std::size_t limit, std::size_t waiters) : limit_bytes(limit), max_waiters(waiters) {}

  bool fits(std::size_t bytes) const {
    return bytes <= limit_bytes && used_bytes <= limit_bytes - bytes;
  }
  void take(std::size_t bytes) {
    used_bytes += bytes;
    peak_bytes = std::max(peak_bytes, used_bytes);
  }
  void give_back(std::size_t bytes) {
    std::vector<std::function<void()>> resumed;
    {
      std::lock_guard lock(mutex);
      used_bytes -= bytes;
      grant(resumed);
    }
    for (auto& resume : resumed) resume();
  }
  // With the lock held. Those at the front go first even if a later one would fit.
  void grant(std::vector<std::function<void()>>& resumed) {
    while (!queue.empty() && fits(queue.front()->bytes)) {
      auto waiter = std::move(queue.front());
      queue.pop_front();
      waiter->queued = false;
      waiter->granted = true;
      take(waiter->bytes);
      if (waiter->resume) resumed.push_back(std::exchange(waiter->resume, nullptr));
    }
  }
  void abandon(const std::shared_ptr<Waiter>& waiter) {
    std::vector<std::function<void()>> resumed;
    {
      std::lock_guard lock(mutex);
      if (!waiter->queued) return;
      queue.remove(waiter);
      waiter->queued = false;
      if (waiter->resume) resumed.push_back(std::exchange(waiter->resume, nullptr));
      grant(resumed);  // it may have been what held the others back
    }
    for (auto& resume : resumed) resume();
  }

  std::mutex mutex;
  const std::size_t limit_bytes;
  const std::size_t max_waiters;
  std::size_t used_bytes = 0;
  std::size_t peak_bytes = 0;
  std::list<std::shared_ptr<Waiter>> queue;
};

void MemoryBudget::Ticket::shrink_to(std::size_t bytes) {
  if (!account_ || bytes >= bytes_) return;
  account_->give_back(std::exchange(bytes_, bytes) - bytes);
  if (bytes == 0) account_.reset();
}

MemoryBudget::MemoryBudget(std::size_t limit_bytes, std::size_t max_waiters)
    : account_(std::make_shared<Account>(limit_bytes, max_waiters)) {}

std::optional<MemoryBudget::Ticket> MemoryBudget::try_acquire(std::size_t bytes) {
  std::lock_guard lock(account_->mutex);
  if (!account_->queue.empty() || !account_->fits(bytes)) return std::nullopt;
  account_->take(bytes);
  return Ticket(account_, bytes);
}

MemoryBudget::Ticket MemoryBudget::charge(std::size_t bytes) {
  std::lock_guard lock(account_->mutex);
  account_->take(bytes);
  return Ticket(account_, bytes);
}

asio::awaitable<void> MemoryBudget::wait_for_grant(std::shared_ptr<Account> account,
                                                   std::shared_ptr<Waiter> waiter) {
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(
      [account, waiter](auto handler) {
        using Handler = decltype(handler);
        auto executor = asio::get_associated_executor(handler);
        auto slot = asio::get_associated_cancellation_slot(handler);
        auto held = std::make_shared<Handler>(std::move(handler));
        // The guard keeps the waiter's loop alive although only another thread can end the wait.
        auto resume = [held, executor, guard = asio::make_work_guard(executor)] {
          asio::post(executor, [held] { std::move (*held)(); });
        };
        if (slot.is_connected()) {
          slot.assign([account, waiter](asio::cancellation_type) { account->abandon(waiter); });
        }
        {
          std::lock_guard lock(account->mutex);
          if (waiter->queued) {
            waiter->resume = resume;
            return;
          }
        }
        resume();
      },
      asio::use_awaitable);
}

Task<MemoryBudget::Ticket> MemoryBudget::acquire(std::size_t bytes, OpContext context) {
  using asio::experimental::awaitable_operators::operator||;
  auto account = account_;
  auto waiter = std::make_shared<Waiter>();
  waiter->bytes = bytes;
  auto cancellation = co_await asio::this_coro::cancellation_state;
  if (cancellation.cancelled() != asio::cancellation_type::none) {
    co_return fail(Errc::cancelled, "cancelled before the wait for memory");
  }
  {
    std::lock_guard lock(account->mutex);
    if (bytes > account->limit_bytes) {
      co_return fail(Errc::too_large,
                     fmt::format("{} bytes of memory asked for, the whole budget has {}", bytes,
                                 account->limit_bytes));
    }
    if (account->queue.empty() && account->fits(bytes)) {
      account->take(bytes);
      co_return Ticket(account, bytes);
    }
    if (account->queue.size() >= account->max_waiters) {
      co_return fail(Errc::busy, "too many requests wait for memory");
    }
    waiter->queued = true;
    account->queue.push_back(waiter);
  }
  // However this coroutine ends, destroyed while suspended included, nothing stays queued or taken.
  struct Settle {
    std::shared_ptr<Account> account;
    std::shared_ptr<Waiter> waiter;
    ~Settle() {
      account->abandon(waiter);
      if (waiter->granted) account->give_back(waiter->bytes);
    }
  } settle{account, waiter};

  (void)co_await (wait_for_grant(account, waiter) ||
                  context.clock().sleep_until(context.deadline()));
  account->abandon(waiter);
  if (waiter->granted) {  // no longer queued: nobody else changes it
    waiter->granted = false;
    co_return Ticket(account, bytes);
  }
  if (context.expired()) co_return fail(Errc::timed_out, "no memory became free in time");
  co_return fail(Errc::cancelled, "the wait for memory was cancelled");
}

std::size_t MemoryBudget::limit_bytes() const { return account_->limit_bytes; }

std::size_t MemoryBudget::used_bytes() const {
  std::lock_guard lock(account_->mutex);
  return account_->used_bytes;
}

std::size_t MemoryBudget::peak_bytes() const {
  std::lock_guard lock(account_->mutex);
  return account_->peak_bytes;
}

std::size_t MemoryBudget::waiters() const {
  std::lock_guard lock(account_->mutex);
  return account_->queue.size();
}

}  // namespace sharestore
