// Reports of the load tool as text for a person and as JSON for a program.
#pragma once

#include <string>
#include <string_view>

#include "bench/load/driver.h"

namespace sharestore::load {

// The load's own threads leave less than this of their time: the server was not the limit.
inline constexpr double kClientBound = 0.9;

std::string to_text(std::string_view mode, const Report& report, const DriverOptions& options);
std::string to_json(std::string_view mode, const Report& report, const Plan& plan,
                    const DriverOptions& options);

}  // namespace sharestore::load
