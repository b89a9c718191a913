// The repository as the checks of this folder see it: its text files, and the layers that
// CMakeLists.txt states.
//
// One thread. Values own what they hold.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace sharestore::tidy {

struct SourceFile {
  std::string path;    // from the repository's root: "backends/core/error.h"
  std::string folder;  // "backends/core"
  std::vector<std::string> lines;
  bool is_code() const;    // C++
  bool is_header() const;  // C++ header
};

// Every text file that belongs to the repository: neither build output nor what git keeps.
std::vector<SourceFile> read_repository(const std::string& root);

// For each module folder of CMakeLists.txt the module folders below it, itself included.
using Layers = std::map<std::string, std::set<std::string>>;
Layers read_layers(const std::vector<SourceFile>& files);

// `line` without its // comment and without what its string literals hold.
std::string code_of(std::string_view line);

}  // namespace sharestore::tidy
