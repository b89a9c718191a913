// The timeouts of a worker's connections: one list per kind, in the order in which they end, so
// that arming and disarming cost a few pointers and one tick looks only at what is due.
//
// Used on the worker's thread only. A hook must be disarmed before it goes.
#pragma once

#include <array>
#include <cstdint>

#include "backends/core/clock.h"
#include "storage_server/http/limits.h"

namespace sharestore::http {

enum class TimeoutKind : std::uint8_t {
  handshake,
  head,
  idle,
  body,
  send,
  drain,
  linger,
  none,  // not armed; also the number of the others
};

struct TimeoutHook {
  TimeoutHook* previous = nullptr;
  TimeoutHook* next = nullptr;
  Monotonic deadline;
  TimeoutKind kind = TimeoutKind::none;
};

class Timeouts {
 public:
  explicit Timeouts(const Limits& limits);

  // From `now` on; replaces what was armed. `now` never goes back.
  void arm(TimeoutHook& hook, TimeoutKind kind, Monotonic now);
  void disarm(TimeoutHook& hook);
  // Disarms and returns one whose time is up; its former kind in `kind`. Null when there is none.
  TimeoutHook* take_expired(Monotonic now, TimeoutKind& kind);

 private:
  static constexpr std::size_t kKinds = static_cast<std::size_t>(TimeoutKind::none);

  struct List {
    TimeoutHook* first = nullptr;
    TimeoutHook* last = nullptr;
    Duration length{};
  };

  std::array<List, kKinds> lists_;
};

}  // namespace sharestore::http
