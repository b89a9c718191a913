// CBOR as a tree, for tests: written apart from the node's codec, so that one checks the other.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sharestore::protocol_test {

struct Value {
  enum class Kind { uint, negative, bytes, text, array, map, tag, boolean, null, other };
  Kind kind = Kind::null;
  std::uint64_t number = 0;  // also the tag's, and 0 or 1 of a boolean
  std::string string;
  std::vector<Value> items;  // of a map: key, value, key, value …; of a tag: one

  bool operator==(const Value&) const = default;

  // The value of a text key; nothing if this is no map or has no such key.
  std::optional<Value> get(std::string_view key) const;
  std::string encode() const;
  // With the entries of maps and of sets (tag 258) in order: theirs means nothing.
  Value canonical() const;

  // Exactly one item; nothing for everything else.
  static std::optional<Value> decode(std::string_view bytes);
};

Value uint(std::uint64_t number);
Value bytes(std::string_view content);
Value text(std::string_view content);
Value boolean(bool value);
Value null();
Value array(std::vector<Value> items);
Value map(std::vector<std::pair<Value, Value>> entries);
Value tagged(std::uint64_t tag, Value item);
// Tag 258 around an array of unsigned integers, in the order given.
Value set(const std::vector<std::uint64_t>& numbers);

// For messages of failed expectations.
void PrintTo(const Value& value, std::ostream* out);  // NOLINT: GoogleTest looks for this name

}  // namespace sharestore::protocol_test
