// Small text helpers that the head parser and the answer writer share.
//
// Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>

namespace sharestore::http {

inline constexpr char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

// Whether `text` is `lower` apart from the case of its ASCII letters.
inline constexpr bool equals_lower(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (to_lower(text[i]) != lower[i]) return false;
  }
  return true;
}

inline constexpr std::string_view trim_blanks(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// The words of a status line ("Not Found"); "Unknown" for a status without a name.
std::string_view reason_phrase(int status);

// A path as a log may show it: parts long enough to be a storage index or a secret are cut to five
// characters, what does not print becomes '?', and the whole is at most kLoggedPathBytes long.
inline constexpr std::size_t kLoggedPathBytes = 160;
std::string loggable_path(std::string_view path);

}  // namespace sharestore::http
