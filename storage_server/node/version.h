// The program's name and version, as `--version`, GET version and the announcement show them.
#pragma once

#include <string>

namespace sharestore {

inline constexpr const char* kProgramName = "sharestore";
// The same as in CMakeLists.txt and CHANGELOG.md; a test compares them.
inline constexpr const char* kVersion = "0.1.0";

inline std::string application_version() { return std::string(kProgramName) + "/" + kVersion; }

}  // namespace sharestore
