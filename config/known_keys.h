// Every section and key that `tahoe.cfg` may hold, and what this program does with each.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace sharestore {

enum class KeyUse : std::uint8_t {
  honoured,
  guarded,  // honoured, but a value that this node cannot honour stops the start
  ignored,  // for other kinds of node: accepted, named in one log line
};

struct KnownKey {
  std::string_view name;  // lower case
  KeyUse use;
  // True for keys of this program, which the Python node would refuse.
  bool own = false;
};

struct KnownSection {
  std::string_view name;  // ends in ".*" for a family of sections
  std::span<const KnownKey> keys;
  // True when keys are names that the operator chooses; `use` then says what becomes of them.
  bool any_key = false;
  KeyUse use = KeyUse::honoured;
};

std::span<const KnownSection> known_sections();

// Null when there is no such section.
const KnownSection* find_known_section(std::string_view name);
const KnownKey* find_known_key(const KnownSection& section, std::string_view key);

}  // namespace sharestore
