// How many requests one endpoint gets at once: as many as allowed while it keeps up, fewer when it
// asks for less, then slowly more (additive increase, multiplicative decrease).
//
// Any thread. Permits keep what they need alive, so they may outlive the limiter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "backends/core/op_context.h"
#include "backends/core/task.h"

namespace sharestore::http_client {

class RequestLimiter {
  struct State;

 public:
  // Coroutines that may wait for a permit; further ones are told `busy`.
  static constexpr std::size_t kMaxWaiters = 8192;

  // The right to one request, given back when it goes. Movable.
  class Permit {
   public:
    Permit() = default;
    Permit(Permit&& other) noexcept : state_(std::move(other.state_)) {}
    Permit& operator=(Permit&& other) noexcept {
      release();
      state_ = std::move(other.state_);
      return *this;
    }
    ~Permit() { release(); }
    void release();

   private:
    friend class RequestLimiter;
    explicit Permit(std::shared_ptr<State> state) : state_(std::move(state)) {}
    std::shared_ptr<State> state_;
  };

  // Starts at `max_requests`, at least 1.
  explicit RequestLimiter(std::size_t max_requests);

  // First come, first served. busy: too many wait. timed_out: the deadline passed.
  Task<Permit> acquire(OpContext context);

  // The endpoint asked for less: half, once per second however many requests hear it.
  void throttled(Monotonic now);
  // A request was served: one more is allowed after as many as are allowed now.
  void served();

  std::size_t limit() const;
  std::size_t in_use() const;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace sharestore::http_client
