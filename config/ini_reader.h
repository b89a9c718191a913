// The `tahoe.cfg` dialect (Python's ConfigParser, lenient, with interpolation) as a document that
// still knows the line of every key.
//
// Inside is a Boost.PropertyTree: section -> key -> value. Keys hold dots, so its children are
// looked up by their exact name, never by a dotted path.
//
// A document is immutable after `parse`; any thread may read it, and it owns everything it holds.
#pragma once

#include <boost/property_tree/ptree_fwd.hpp>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/core/error.h"

namespace sharestore {

inline constexpr std::size_t kMaxConfigFileBytes = std::size_t{1} << 20;
// Of one value after interpolation: references can multiply.
inline constexpr std::size_t kMaxConfigValueBytes = std::size_t{64} << 10;
inline constexpr int kMaxInterpolationDepth = 10;  // Python's own
inline constexpr int kMaxInterpolationSteps = 10'000;

class IniDocument {
 public:
  // Parses the bytes of a file. `file_name` is for messages only.
  // Errors: `invalid_argument` with file and line; `too_large`.
  static Result<IniDocument> parse(std::string_view bytes, std::string file_name);

  IniDocument(IniDocument&&) noexcept;
  IniDocument& operator=(IniDocument&&) noexcept;
  ~IniDocument();

  const std::string& file_name() const { return file_name_; }

  // Names in the order of their first appearance, without DEFAULT.
  std::vector<std::string> sections() const;
  // The section's own keys, lower case, in the order of their first appearance.
  std::vector<std::string> keys(std::string_view section) const;
  // The keys of [DEFAULT], which every section inherits.
  std::vector<std::string> default_keys() const;

  bool has(std::string_view section, std::string_view key) const;

  // The value with references replaced; none when neither the section nor DEFAULT has the key.
  // Errors: `invalid_argument` for a lone '%', an unknown or endless reference, or a value beyond
  // the limits above.
  Result<std::optional<std::string>> get(std::string_view section, std::string_view key) const;

  // The value as written, before interpolation; empty when it is not there.
  std::string raw(std::string_view section, std::string_view key) const;

  // Line numbers count from 1; 0 when there is no such thing in the file.
  int section_line(std::string_view section) const;
  int key_line(std::string_view section, std::string_view key) const;

  // "<file>:<line>: section [s]: key 'k': <sentence>", the line left out when it is not known.
  std::string locate(std::string_view section, std::string_view key,
                     std::string_view sentence) const;

 private:
  friend class IniParser;
  using Tree = boost::property_tree::ptree;

  explicit IniDocument(std::string file_name);
  const Tree* find(std::string_view section, std::string_view key) const;
  struct Expansion;
  Status expand(std::string_view section, const std::string& raw, Expansion& state) const;

  std::string file_name_;
  std::unique_ptr<Tree> tree_;
};

}  // namespace sharestore
