// What an operator is to know of the Grid Managers' certificates of this node.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/node_config.h"

namespace sharestore {

// A sentence for each certificate that clients do not take: it has ended, or it is for another key
// than `public_key` (base32, without a prefix). They are announced all the same: clients decide.
std::vector<std::string> grid_manager_notices(std::span<const GridManagerCertificate> certificates,
                                              std::string_view public_key,
                                              std::chrono::sys_seconds now);

}  // namespace sharestore
