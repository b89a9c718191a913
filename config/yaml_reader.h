// The part of YAML that the files of a node directory use: nested mappings of scalars.
//
// Understood: block and flow mappings, plain, 'single' and "double" quoted scalars, comments, the
// markers "---" and "...". Everything else (lists, anchors, tags, multi-line scalars) is refused
// with file and line rather than misread.
//
// Plain values, any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "backends/core/error.h"

namespace sharestore {

inline constexpr std::size_t kMaxYamlFileBytes = std::size_t{1} << 20;
inline constexpr int kMaxYamlDepth = 16;
inline constexpr std::size_t kMaxYamlMembers = 1000;  // of one mapping

struct YamlNode {
  std::string name;  // within its mapping
  bool is_mapping = false;
  int line = 0;
  std::string scalar;
  bool is_null = false;           // nothing was written, or ~ or null
  std::vector<YamlNode> members;  // in order, names unique

  const YamlNode* find(std::string_view member) const;
};

// Errors: `invalid_argument` with file and line; `too_large`.
Result<YamlNode> parse_yaml(std::string_view bytes, const std::string& file_name);

}  // namespace sharestore
