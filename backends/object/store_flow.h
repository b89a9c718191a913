// How much of what clients send may wait for the store: never more than the store takes in
// kHorizon, at the rate at which it has taken bytes lately, over all uploads together.
//
// A client waits 60 s for an answer. Uploads that fill parts faster than the store takes them would
// all end behind a queue that is longer than that; held back before their bytes are read, they
// share the store's rate, and each waits only for its turn.
//
// Any thread. Admissions and measurements keep what they need, so they may outlive the flow.
#pragma once

#include <boost/asio/any_io_executor.hpp>

#include <cstdint>
#include <memory>

#include "backends/core/clock.h"
#include "backends/core/op_context.h"
#include "backends/core/task.h"

namespace sharestore {

class StoreFlow {
  struct State;
  struct Entry;

 public:
  // The wait for the store that admitted bytes may meet.
  static constexpr std::chrono::seconds kHorizon{20};
  // A client that has not sent what was admitted by then is not what the store waits for: its bytes
  // count again when they are there.
  static constexpr std::chrono::seconds kFillTime{10};
  // Admitted together while nothing has been measured, in parts.
  static constexpr std::uint64_t kPartsUnmeasured = 2;
  // Smaller transfers tell how long a request takes, not how fast bytes go: they are not measured,
  // and wait for nobody.
  static constexpr std::uint64_t kLeastMeasuredBytes = 64 * 1024;
  // Coroutines that may wait; further ones are told `busy`.
  static constexpr std::size_t kMaxWaiters = 8192;

  // Room for bytes of one part, given back when it goes: when the store has them, or nobody will
  // send them any more. Movable.
  class Admission {
   public:
    Admission() = default;
    Admission(Admission&&) noexcept = default;
    Admission& operator=(Admission&& other) noexcept;
    ~Admission();
    explicit operator bool() const { return entry_ != nullptr; }
    // All of its bytes have come from the client.
    void filled();

   private:
    friend class StoreFlow;
    Admission(std::shared_ptr<State> state, std::shared_ptr<Entry> entry)
        : state_(std::move(state)), entry_(std::move(entry)) {}
    std::shared_ptr<State> state_;
    std::shared_ptr<Entry> entry_;
  };

  // Bytes on their way to the store, measured from here until it goes.
  class Transfer {
   public:
    ~Transfer();
    Transfer(Transfer&& other) noexcept = default;
    Transfer& operator=(Transfer&&) = delete;
    // The store has taken them.
    void taken() { taken_ = true; }

   private:
    friend class StoreFlow;
    Transfer(std::shared_ptr<State> state, std::uint64_t bytes, Monotonic begun)
        : state_(std::move(state)), bytes_(bytes), begun_(begun) {}
    std::shared_ptr<State> state_;
    std::uint64_t bytes_;
    Monotonic begun_;
    bool taken_ = false;
  };

  // `alarms`: where waits sleep, one thread; it and the clock outlive the waits.
  StoreFlow(boost::asio::any_io_executor alarms, Clock& clock, std::uint64_t part_bytes);

  // Returns when there is room, first come, first served; at once if nothing is admitted. busy: too
  // many wait. timed_out: the deadline passed.
  Task<Admission> admit(OpContext context, std::uint64_t bytes);
  // Without waiting, room or not: for bytes that are there already.
  Admission admit_now(std::uint64_t bytes);

  Transfer begin_transfer(std::uint64_t bytes);

  // 0: nothing measured yet.
  double bytes_per_second() const;
  std::uint64_t admitted_bytes() const;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace sharestore
