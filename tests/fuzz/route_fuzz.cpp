// Paths: the matcher against a regular expression that says the same in one line.
#include <cstdint>
#include <cstdlib>
#include <regex>
#include <string>

#include "storage_server/protocol/route.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sharestore;
  if (size == 0 || size > 200) return 0;
  const auto method = static_cast<http::Method>(data[0] % 8);
  const std::string path(reinterpret_cast<const char*>(data + 1), size - 1);
  // Every second letter of the alphabet may end a storage index.
  static const std::regex known(
      "/storage/v1/(version|(lease/I)|(immutable/I(/(shares|[0-9]+(/(abort|corrupt))?))?)|"
      "(mutable/I/(shares|read-test-write|[0-9]+(/corrupt)?)))");
  static const std::regex index("[a-z2-7]{25}[acegikmoqsuwy246]");
  std::string shape;
  // "I" stands for a storage index in its place.
  const std::size_t kind = path.find('/', 12);
  const bool has_index = path.starts_with("/storage/v1/") && kind != std::string::npos;
  if (has_index) {
    const std::string segment = path.substr(kind + 1, path.find('/', kind + 1) - kind - 1);
    if (!std::regex_match(segment, index)) {
      shape = "no";
    } else {
      shape = path.substr(0, kind + 1) + "I" + path.substr(kind + 1 + segment.size());
    }
  } else {
    shape = path;
  }
  const bool expected = std::regex_match(shape, known);
  const RouteMatch match = match_route(method, path);
  if ((match.outcome != RouteMatch::Outcome::no_such_path) != expected) std::abort();
  if (match.outcome == RouteMatch::Outcome::wrong_method && match.allowed.empty()) std::abort();
  if (match.outcome == RouteMatch::Outcome::found && has_index) {
    const std::string text = path.substr(kind + 1, 25);
    if (match.route.storage_index.to_text().substr(0, 25) != text) std::abort();
  }
  return 0;
}
