// Gets that do not wait for one slow answer: a request that takes much longer than its like is
// asked a second time, and the first good answer counts.
//
// The second request costs money and load, so at most kHedgeShare of all gets are repeated. Any
// thread; attempts run on the executor given, and one that lost the race runs to its end there.
#pragma once

#include <boost/asio/any_io_executor.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "backends/core/async_event.h"
#include "backends/object/container.h"
#include "backends/object/running_work.h"

namespace sharestore {

class HedgedGets {
 public:
  // Most repeated requests, as a share of all, beyond the first few.
  static constexpr double kHedgeShare = 0.025;

  // What it refers to outlives it.
  HedgedGets(ObjectContainer& container, boost::asio::any_io_executor executor, Clock& clock)
      : container_(container), executor_(std::move(executor)), clock_(clock) {}

  // As ObjectContainer::get. Returns at the context's deadline although an attempt still runs.
  Task<ObjectBytes> get(OpContext context, std::string key, std::uint64_t offset,
                        std::uint64_t length, Freshness freshness);

  // Nothing is begun any more; returns when no attempt runs.
  boost::asio::awaitable<void> close() { co_await running_.idle()->wait(); }

  // For metrics: gets asked for, and second requests.
  std::uint64_t gets() const { return gets_; }
  std::uint64_t hedges() const { return hedges_; }

 private:
  // Times of the last gets of about one length.
  struct Times {
    static constexpr std::size_t kKept = 128;
    static constexpr std::size_t kEnough = 16;
    std::array<float, kKept> seconds{};
    std::size_t count = 0;
    float usual = 0;  // what nine of ten stay below
    float slow = 0;   // what 98 of 100 stay below
  };
  struct Race {
    AsyncEvent decided;
    std::mutex mutex;
    Result<ObjectBytes> answer = fail(Errc::unavailable, "");
    int running = 0;
    bool is_decided = false;
  };
  struct Question {
    std::string key;
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    Freshness freshness = Freshness::any;
  };

  static std::size_t class_of(std::uint64_t length);
  Duration patience(std::uint64_t length);
  void took(std::uint64_t length, Duration time);
  bool may_hedge();
  void start(OpContext context, Question question, std::shared_ptr<Race> race);
  boost::asio::awaitable<void> attempt(OpContext context, Question question,
                                       std::shared_ptr<Race> race);

  static constexpr std::size_t kClasses = 6;

  ObjectContainer& container_;
  const boost::asio::any_io_executor executor_;
  Clock& clock_;
  std::mutex mutex_;
  std::array<Times, kClasses> times_;
  double allowance_ = 4;  // hedges that may be made now
  RunningWork running_;
  std::atomic<std::uint64_t> gets_ = 0;
  std::atomic<std::uint64_t> hedges_ = 0;
};

}  // namespace sharestore
