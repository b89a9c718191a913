// Moments as OpenStack's services write them.
//
// Pure; any thread.
#pragma once

#include <optional>
#include <string_view>

#include "backends/core/clock.h"

namespace sharestore::openstack {

// "2026-11-20T23:07:32.000Z", with a fraction or none, "Z", "+hh:mm", "-hh:mm" or nothing for UTC.
std::optional<WallTime> parse_iso_time(std::string_view text);

}  // namespace sharestore::openstack
