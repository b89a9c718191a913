// What a backend holds, as maps: the reference for the property test.
//
// The rule under faults: an operation that failed may have happened or not, as a whole, unless its
// error says that it did not; one that succeeded has happened, whatever crashes later.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "backends/backend.h"

namespace sharestore {

struct ModelShare {
  ShareKind kind = ShareKind::immutable;
  std::string data;
  std::map<Digest, std::int64_t> leases;

  bool operator==(const ModelShare&) const = default;
};

using ModelSlot = std::map<ShareNumber, ModelShare>;

class StoreModel {
 public:
  // What the slot is, or would be: the last element is what applying everything gives; more than
  // one while the outcome of an operation is not known.
  const std::vector<ModelSlot>& possible(const StorageIndex& index) { return of(index); }

  // The slot now certainly is `slot`.
  void settle(const StorageIndex& index, ModelSlot slot) { of(index) = {std::move(slot)}; }
  // The slot may also be `slot`.
  void allow(const StorageIndex& index, ModelSlot slot) { of(index).push_back(std::move(slot)); }

  // One observation: settles what was open. False if nothing possible looks like that.
  bool observe(const StorageIndex& index, const ModelSlot& seen) {
    for (const ModelSlot& slot : of(index)) {
      if (slot != seen) continue;
      settle(index, seen);
      return true;
    }
    return false;
  }

  void clear() { slots_.clear(); }

 private:
  std::vector<ModelSlot>& of(const StorageIndex& index) {
    std::vector<ModelSlot>& slots = slots_[index];
    if (slots.empty()) slots.emplace_back();
    return slots;
  }

  std::map<StorageIndex, std::vector<ModelSlot>> slots_;
};

// What a slot commit makes of a slot. Nothing: it must be refused.
std::optional<ModelSlot> model_commit(ModelSlot slot, const SlotCommit& commit);

// Merges leases as a share file does.
void model_leases(ModelShare& share, const std::vector<LeaseUpdate>& leases);

}  // namespace sharestore
