#include "storage_server/maintenance/expiry_policy.h"

#include "backends/core/lease.h"

namespace sharestore {

std::optional<std::int64_t> expires_before(const ExpireConfig& config, ShareKind kind,
                                           std::int64_t now) {
  const bool is_covered =
      kind == ShareKind::immutable ? config.immutable_shares : config.mutable_shares;
  if (!config.enabled || !is_covered) return std::nullopt;
  if (config.mode == ExpireConfig::Mode::cutoff_date) {
    if (!config.cutoff_date) return std::nullopt;
    return config.cutoff_date->time_since_epoch().count() + kLeaseSeconds;
  }
  if (config.override_lease_duration) {
    return now - config.override_lease_duration->count() + kLeaseSeconds;
  }
  // Ended when its time has come: an end of exactly now counts.
  return now + 1;
}

}  // namespace sharestore
