// The environment variables that configuration may depend on, as a value.
//
// The program's main takes the snapshot once; everything below gets it as a parameter, so that
// loading a configuration stays a function of files and this map.
#pragma once

#include <functional>
#include <map>
#include <string>

namespace sharestore {

using Environment = std::map<std::string, std::string, std::less<>>;

// A copy of the process environment. Call it from the main thread before others exist.
Environment current_environment();

}  // namespace sharestore
