// A clock that stands still until a test moves it.
//
// Any thread. Sleepers are woken by advance(), on their own executors, which must be
// single-threaded or strands. The clock outlives its sleepers; their loops need not outlive it.
#pragma once

#include <boost/asio/steady_timer.hpp>

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <optional>

#include "backends/core/clock.h"
#include "backends/core/op_context.h"

namespace sharestore {

class FakeClock final : public Clock {
 public:
  // Starts at `utc` (unix seconds).
  explicit FakeClock(std::int64_t utc = 1'700'000'000);

  WallTime utc_now() const override;
  Monotonic now() const override;
  boost::asio::awaitable<void> sleep_until(Monotonic when) override;

  // Moves both clocks on and wakes whoever is due.
  void advance(Duration by);
  // Moves to the earliest wake-up time and wakes it; false if nobody sleeps.
  bool advance_to_next();
  // Wall time only; may go back.
  void jump_utc(Duration by);

  std::size_t sleepers() const;
  // The earliest time anyone waits for.
  std::optional<Monotonic> next_wake() const;
  // What the only sleeper waits for; nothing if there are none or several.
  std::optional<Monotonic> only_wake() const;

  // A context that ends `budget` from now.
  OpContext context(Duration budget = std::chrono::hours(1)) { return {*this, now() + budget}; }

 private:
  struct Sleeper {
    Monotonic when;
    // Of the sleeping coroutine: gone when its loop was destroyed below it.
    std::weak_ptr<boost::asio::steady_timer> timer;
  };

  void wake_due_locked();

  mutable std::mutex mutex_;
  Monotonic now_;
  WallTime utc_;
  std::list<Sleeper> sleepers_;
};

}  // namespace sharestore
