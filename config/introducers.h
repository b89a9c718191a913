// The introducers that a node announces itself to.
#pragma once

#include <vector>

#include "config/load_context.h"
#include "config/node_config.h"

namespace sharestore {

// Most introducers of one node.
inline constexpr std::size_t kMaxIntroducers = 64;

// From private/introducers.yaml, and `[client] introducer.furl` as the petname "default". Sorted
// by petname; empty when the context has a fault.
std::vector<IntroducerConfig> load_introducers(LoadContext& context);

}  // namespace sharestore
