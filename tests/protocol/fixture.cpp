#include "tests/protocol/fixture.h"

namespace sharestore::protocol_test {

Value allocated(const std::vector<std::uint64_t>& already_have,
                const std::vector<std::uint64_t>& allocated) {
  return map({{text("already-have"), set(already_have)}, {text("allocated"), set(allocated)}});
}

Value required(const std::vector<std::pair<std::uint64_t, std::uint64_t>>& ranges) {
  std::vector<Value> items;
  for (const auto& [begin, end] : ranges) {
    items.push_back(map({{text("begin"), uint(begin)}, {text("end"), uint(end)}}));
  }
  return map({{text("required"), array(std::move(items))}});
}

Value outcome(bool success,
              const std::vector<std::pair<std::uint64_t, std::vector<std::string>>>& data) {
  std::vector<std::pair<Value, Value>> shares;
  for (const auto& [number, reads] : data) {
    std::vector<Value> items;
    for (const std::string& read : reads) items.push_back(bytes(read));
    shares.emplace_back(uint(number), array(std::move(items)));
  }
  return map({{text("success"), boolean(success)}, {text("data"), map(std::move(shares))}});
}

}  // namespace sharestore::protocol_test
