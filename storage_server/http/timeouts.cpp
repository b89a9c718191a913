#include "storage_server/http/timeouts.h"

namespace sharestore::http {

Timeouts::Timeouts(const Limits& limits) {
  auto set = [this](TimeoutKind kind, Duration length) {
    lists_[static_cast<std::size_t>(kind)].length = length;
  };
  set(TimeoutKind::handshake, limits.handshake);
  set(TimeoutKind::head, limits.head);
  set(TimeoutKind::idle, limits.idle);
  set(TimeoutKind::body, limits.stall);
  set(TimeoutKind::send, limits.stall);
  set(TimeoutKind::drain, limits.drain);
  set(TimeoutKind::linger, limits.linger);
}

void Timeouts::arm(TimeoutHook& hook, TimeoutKind kind, Monotonic now) {
  disarm(hook);
  List& list = lists_[static_cast<std::size_t>(kind)];
  hook.kind = kind;
  hook.deadline = now + list.length;
  hook.previous = list.last;
  hook.next = nullptr;
  (list.last ? list.last->next : list.first) = &hook;
  list.last = &hook;
}

void Timeouts::disarm(TimeoutHook& hook) {
  if (hook.kind == TimeoutKind::none) return;
  List& list = lists_[static_cast<std::size_t>(hook.kind)];
  (hook.previous ? hook.previous->next : list.first) = hook.next;
  (hook.next ? hook.next->previous : list.last) = hook.previous;
  hook.previous = hook.next = nullptr;
  hook.kind = TimeoutKind::none;
}

TimeoutHook* Timeouts::take_expired(Monotonic now, TimeoutKind& kind) {
  for (List& list : lists_) {
    TimeoutHook* hook = list.first;
    if (!hook || hook->deadline > now) continue;
    kind = hook->kind;
    disarm(*hook);
    return hook;
  }
  return nullptr;
}

}  // namespace sharestore::http
