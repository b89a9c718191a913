#include "backends/http/request_limiter.h"

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <vector>

namespace sharestore::http_client {

namespace asio = boost::asio;

namespace {

constexpr std::chrono::seconds kThrottleInterval{1};

// All members under the limiter's mutex.
struct Waiter {
  bool queued = false;
  bool granted = false;
  std::function<void()> resume;
};

using Resumed = std::vector<std::function<void()>>;

}  // namespace

struct RequestLimiter::State {
  // With the mutex held.
  void grant(Resumed& resumed) {
    while (!queue.empty() && used < limit) {
      auto waiter = std::move(queue.front());
      queue.pop_front();
      waiter->queued = false;
      waiter->granted = true;
      ++used;
      if (waiter->resume) resumed.push_back(std::exchange(waiter->resume, nullptr));
    }
  }

  void give_back() {
    Resumed resumed;
    {
      const std::lock_guard hold(mutex);
      --used;
      grant(resumed);
    }
    for (auto& resume : resumed) resume();
  }

  void abandon(const std::shared_ptr<Waiter>& waiter) {
    std::function<void()> resume;
    {
      const std::lock_guard hold(mutex);
      if (!waiter->queued) return;
      queue.remove(waiter);
      waiter->queued = false;
      resume = std::exchange(waiter->resume, nullptr);
    }
    if (resume) resume();
  }

  static asio::awaitable<void> wait(std::shared_ptr<State> state, std::shared_ptr<Waiter> waiter) {
    co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(
        [state, waiter](auto handler) {
          using Handler = decltype(handler);
          auto executor = asio::get_associated_executor(handler);
          auto slot = asio::get_associated_cancellation_slot(handler);
          auto held = std::make_shared<Handler>(std::move(handler));
          auto resume = [held, executor, guard = asio::make_work_guard(executor)]() {
            asio::post(executor, [held]() { std::move (*held)(); });
          };
          if (slot.is_connected()) {
            slot.assign([state, waiter](asio::cancellation_type) { state->abandon(waiter); });
          }
          {
            const std::lock_guard hold(state->mutex);
            if (waiter->queued) {
              waiter->resume = resume;
              return;
            }
          }
          resume();
        },
        asio::use_awaitable);
  }

  mutable std::mutex mutex;
  std::size_t max = 1;
  std::size_t limit = 1;
  std::size_t used = 0;
  std::size_t served_since_change = 0;
  std::optional<Monotonic> last_throttle;
  std::list<std::shared_ptr<Waiter>> queue;
};

void RequestLimiter::Permit::release() {
  if (const auto state = std::exchange(state_, nullptr)) state->give_back();
}

RequestLimiter::RequestLimiter(std::size_t max_requests) : state_(std::make_shared<State>()) {
  state_->max = state_->limit = std::max<std::size_t>(max_requests, 1);
}

Task<RequestLimiter::Permit> RequestLimiter::acquire(OpContext context) {
  using asio::experimental::awaitable_operators::operator||;
  const auto state = state_;
  const auto waiter = std::make_shared<Waiter>();
  {
    const std::lock_guard hold(state->mutex);
    if (state->queue.empty() && state->used < state->limit) {
      ++state->used;
      co_return Permit(state);
    }
    if (state->queue.size() >= kMaxWaiters) {
      co_return fail(Errc::busy, "too many requests wait for the store");
    }
    waiter->queued = true;
    state->queue.push_back(waiter);
  }
  // However this coroutine ends, nothing stays queued or taken.
  struct Settle {
    std::shared_ptr<State> state;
    std::shared_ptr<Waiter> waiter;
    ~Settle() {
      state->abandon(waiter);
      if (waiter->granted) state->give_back();
    }
  } const settle{state, waiter};
  (void)co_await (State::wait(state, waiter) || context.clock().sleep_until(context.deadline()));
  state->abandon(waiter);
  if (waiter->granted) {
    waiter->granted = false;
    co_return Permit(state);
  }
  if (context.expired()) {
    co_return fail(Errc::timed_out, "the store is busy with other requests of this node");
  }
  co_return fail(Errc::cancelled, "the wait for the store was cancelled");
}

void RequestLimiter::throttled(Monotonic now) {
  const std::lock_guard hold(state_->mutex);
  if (state_->last_throttle && now - *state_->last_throttle < kThrottleInterval) return;
  state_->last_throttle = now;
  state_->limit = std::max<std::size_t>(state_->limit / 2, 1);
  state_->served_since_change = 0;
}

void RequestLimiter::served() {
  Resumed resumed;
  {
    const std::lock_guard hold(state_->mutex);
    if (state_->limit >= state_->max) return;
    if (++state_->served_since_change < state_->limit) return;
    ++state_->limit;
    state_->served_since_change = 0;
    state_->grant(resumed);
  }
  for (auto& resume : resumed) resume();
}

std::size_t RequestLimiter::limit() const {
  const std::lock_guard hold(state_->mutex);
  return state_->limit;
}

std::size_t RequestLimiter::in_use() const {
  const std::lock_guard hold(state_->mutex);
  return state_->used;
}

}  // namespace sharestore::http_client
