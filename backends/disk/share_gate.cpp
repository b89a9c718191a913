#include "backends/disk/share_gate.h"

#include <utility>

namespace sharestore {
namespace {

Status broken_share(ShareId share) {
  return fail(Errc::io_error,
              share.to_text() + ": a write to it broke off; it is completed when the node starts");
}

}  // namespace

Task<void> ShareGate::enter(ShareId share) {
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      State& state = shares_[share];
      if (state.broken) co_return broken_share(share);
      if (!state.changing) {
        ++state.readers;
        co_return Status{};
      }
    }
    Status woken = co_await await_completion<Status>([this, share](Completion<Status> done) {
      {
        const std::lock_guard lock(mutex_);
        const auto it = shares_.find(share);
        if (it != shares_.end() && it->second.changing) {
          it->second.waiters.push_back(std::move(done));
          return;
        }
      }
      done(Status{});
    });
    if (!woken) co_return woken;
  }
}

void ShareGate::leave(ShareId share) {
  const std::lock_guard lock(mutex_);
  const auto it = shares_.find(share);
  if (it == shares_.end() || it->second.readers == 0) return;
  if (--it->second.readers == 0) shares_.erase(it);
}

bool ShareGate::begin_change(ShareId share) {
  const std::lock_guard lock(mutex_);
  const auto [it, fresh] = shares_.try_emplace(share);
  if (!fresh) return false;
  it->second.changing = true;
  return true;
}

void ShareGate::end_change(ShareId share) {
  std::vector<Completion<Status>> waiters;
  {
    const std::lock_guard lock(mutex_);
    const auto it = shares_.find(share);
    if (it == shares_.end()) return;
    waiters = std::move(it->second.waiters);
    shares_.erase(it);
  }
  for (auto& waiter : waiters) waiter(Status{});
}

void ShareGate::break_off(ShareId share) {
  std::vector<Completion<Status>> waiters;
  {
    const std::lock_guard lock(mutex_);
    State& state = shares_[share];
    state.broken = true;
    state.changing = false;
    waiters = std::exchange(state.waiters, {});
  }
  for (auto& waiter : waiters) waiter(broken_share(share));
}

bool ShareGate::is_changing(ShareId share) const {
  const std::lock_guard lock(mutex_);
  const auto it = shares_.find(share);
  return it != shares_.end() && it->second.changing;
}

}  // namespace sharestore
