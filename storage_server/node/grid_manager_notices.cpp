#include "storage_server/node/grid_manager_notices.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace sharestore {

namespace {

constexpr const char* kConsequence =
    "clients that ask for a certificate upload nothing here by it; get a new one from the Grid "
    "Manager";

}  // namespace

std::vector<std::string> grid_manager_notices(std::span<const GridManagerCertificate> certificates,
                                              std::string_view public_key,
                                              std::chrono::sys_seconds now) {
  std::vector<std::string> notices;
  for (const GridManagerCertificate& held : certificates) {
    const std::string what =
        fmt::format("[grid_manager_certificates] {}: {}", held.name, held.file.string());
    if (held.public_key != fmt::format("pub-v0-{}", public_key)) {
      notices.push_back(fmt::format("{} is for the key {}, not for this node (node.pubkey): {}",
                                    what, held.public_key, kConsequence));
    } else if (held.expires <= now) {
      notices.push_back(fmt::format("{} ended on {:%Y-%m-%d}: {}", what,
                                    fmt::gmtime(held.expires.time_since_epoch().count()),
                                    kConsequence));
    }
  }
  return notices;
}

}  // namespace sharestore
