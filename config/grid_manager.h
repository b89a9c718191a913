// The certificates by which a Grid Manager vouches for this node.
#pragma once

#include <vector>

#include "config/load_context.h"
#include "config/node_config.h"

namespace sharestore {

inline constexpr std::size_t kMaxGridManagerCertificates = 64;
inline constexpr std::size_t kMaxGridManagerFileBytes = std::size_t{64} << 10;

// The files that [grid_manager_certificates] names. Their form is checked, their signatures are
// not: that is for the clients, who know the managers' keys.
std::vector<GridManagerCertificate> load_grid_manager_certificates(LoadContext& context);

}  // namespace sharestore
