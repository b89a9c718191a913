// What can be wrong with a share, between the index and the store.
//
// Values; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "backends/core/storage_index.h"

namespace sharestore {

enum class FaultKind : std::uint8_t {
  damaged,  // its header or lease records cannot be believed
  missing,  // in the index, not in the store
  unknown,  // in the store, not in the index
  differs,  // both have it and disagree
};
inline constexpr std::size_t kFaultKinds = 4;

constexpr std::string_view to_string(FaultKind kind) {
  switch (kind) {
    case FaultKind::damaged: return "damaged";
    case FaultKind::missing: return "missing";
    case FaultKind::unknown: return "unknown";
    case FaultKind::differs: return "differs";
  }
  return "";
}

struct ShareFault {
  ShareId share;
  FaultKind kind = FaultKind::damaged;
  // One sentence: what was found.
  std::string detail;
  bool repaired = false;
  // Where a damaged share lies since its repair.
  std::string place = {};
};

}  // namespace sharestore
