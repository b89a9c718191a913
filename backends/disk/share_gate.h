// Keeps readers of a share and changes of its bytes in place apart.
//
// Most changes make a new file and rename it, which open descriptors do not notice. Only a large
// mutable share is changed in place, and only while nobody has it open; whoever wants to open it
// meanwhile waits the moment that takes. So a reader's bytes never change under it.
//
// Threads: any. Waiters are bounded by the requests in flight; what they wait for is a bounded
// write to the local disk.
#pragma once

#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "backends/core/storage_index.h"
#include "backends/core/task.h"
#include "backends/disk/completion.h"

namespace sharestore {

class ShareGate {
 public:
  // Counts the caller among the readers, after waiting for a change in place to end.
  // io_error: such a change broke off; the share is whole again after the next start.
  Task<void> enter(ShareId share);
  void leave(ShareId share);

  // False if somebody reads the share, or changes it. No waiting.
  bool begin_change(ShareId share);
  void end_change(ShareId share);
  // The change broke off half way: nobody may read the share until it is repaired at start.
  void break_off(ShareId share);

  bool is_changing(ShareId share) const;

 private:
  struct State {
    std::size_t readers = 0;
    bool changing = false;
    bool broken = false;
    std::vector<Completion<Status>> waiters;
  };

  mutable std::mutex mutex_;
  std::unordered_map<ShareId, State, ShareIdHash> shares_;
};

// Leaves the gate when it goes.
class GatePass {
 public:
  GatePass() = default;
  GatePass(ShareGate& gate, ShareId share) : gate_(&gate), share_(share) {}
  ~GatePass() { leave(); }
  GatePass(GatePass&& other) noexcept : gate_(other.gate_), share_(other.share_) {
    other.gate_ = nullptr;
  }
  GatePass& operator=(GatePass&&) = delete;

  void leave() {
    if (gate_ != nullptr) gate_->leave(share_);
    gate_ = nullptr;
  }

 private:
  ShareGate* gate_ = nullptr;
  ShareId share_;
};

// Ends the change when it goes, unless it broke off.
class GateChange {
 public:
  GateChange() = default;
  GateChange(ShareGate& gate, ShareId share) : gate_(&gate), share_(share) {}
  ~GateChange() {
    if (gate_ != nullptr) gate_->end_change(share_);
  }
  GateChange(GateChange&& other) noexcept : gate_(other.gate_), share_(other.share_) {
    other.gate_ = nullptr;
  }
  GateChange& operator=(GateChange&& other) noexcept {
    std::swap(gate_, other.gate_);
    std::swap(share_, other.share_);
    return *this;
  }

  void break_off() {
    if (gate_ != nullptr) gate_->break_off(share_);
    gate_ = nullptr;
  }

 private:
  ShareGate* gate_ = nullptr;
  ShareId share_;
};

}  // namespace sharestore
