// A strict reader of the OpenMetrics 1.0 text form: refuses what a scraper may refuse.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "backends/core/error.h"

namespace sharestore::test {

struct Metrics {
  std::map<std::string, std::string> types;  // by family
  std::map<std::string, double> samples;     // by name and labels: `name{a="x",b="y"}`
};

// invalid_argument: the line, and what is wrong with it.
Result<Metrics> parse_openmetrics(std::string_view text);

}  // namespace sharestore::test
