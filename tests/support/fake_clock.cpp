#include "tests/support/fake_clock.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>

namespace sharestore {

namespace asio = boost::asio;

FakeClock::FakeClock(std::int64_t utc)
    : now_(std::chrono::hours(1000)), utc_(std::chrono::seconds(utc)) {}

WallTime FakeClock::utc_now() const {
  const std::lock_guard lock(mutex_);
  return utc_;
}

Monotonic FakeClock::now() const {
  const std::lock_guard lock(mutex_);
  return now_;
}

asio::awaitable<void> FakeClock::sleep_until(Monotonic when) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  for (;;) {
    auto timer = std::make_shared<asio::steady_timer>(executor, Monotonic::max());
    std::list<Sleeper>::iterator self;
    {
      const std::lock_guard lock(mutex_);
      if (now_ >= when) co_return;
      self = sleepers_.insert(sleepers_.end(), Sleeper{when, timer});
    }
    co_await timer->async_wait(asio::as_tuple(asio::use_awaitable));
    {
      const std::lock_guard lock(mutex_);
      sleepers_.erase(self);
    }
    const auto cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none) co_return;
  }
}

void FakeClock::wake_due_locked() {
  for (const Sleeper& sleeper : sleepers_) {
    // Posted, so that it comes after the wait has begun and on the timer's own executor.
    const auto timer = sleeper.timer.lock();
    if (timer && sleeper.when <= now_) {
      asio::post(timer->get_executor(), [timer] { timer->cancel(); });
    }
  }
}

void FakeClock::advance(Duration by) {
  const std::lock_guard lock(mutex_);
  now_ += by;
  utc_ += std::chrono::duration_cast<WallTime::duration>(by);
  wake_due_locked();
}

bool FakeClock::advance_to_next() {
  const auto next = next_wake();
  if (!next) return false;
  advance(std::max(*next - now(), Duration::zero()));
  return true;
}

void FakeClock::jump_utc(Duration by) {
  const std::lock_guard lock(mutex_);
  utc_ += std::chrono::duration_cast<WallTime::duration>(by);
}

std::size_t FakeClock::sleepers() const {
  const std::lock_guard lock(mutex_);
  return sleepers_.size();
}

std::optional<Monotonic> FakeClock::next_wake() const {
  const std::lock_guard lock(mutex_);
  if (sleepers_.empty()) return std::nullopt;
  return std::min_element(sleepers_.begin(), sleepers_.end(),
                          [](const auto& a, const auto& b) { return a.when < b.when; })
      ->when;
}

std::optional<Monotonic> FakeClock::only_wake() const {
  const std::lock_guard lock(mutex_);
  if (sleepers_.size() != 1) return std::nullopt;
  return sleepers_.front().when;
}

}  // namespace sharestore
