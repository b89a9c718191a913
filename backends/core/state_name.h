// What may be the name of a state blob (backends/backend.h, put_state), and how large one may be.
//
// Pure; any thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace sharestore {

inline constexpr std::size_t kMaxStateBytes = 16u << 20;

constexpr bool is_state_name(std::string_view name) {
  return !name.empty() && name.front() != '.' && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
  });
}

}  // namespace sharestore
