// Small text helpers that every parser of this folder shares. ASCII only, any thread.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "backends/core/error.h"

namespace sharestore {

inline bool is_ascii_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}
inline bool is_ascii_digit(char c) { return c >= '0' && c <= '9'; }
inline bool is_ascii_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
inline bool is_ascii_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

std::string_view trim(std::string_view text);
std::string_view trim_end(std::string_view text);
std::string ascii_lower(std::string_view text);
bool all_digits(std::string_view text);  // false for an empty text
bool has_control_or_space(std::string_view text);

// Pieces between separators, untrimmed; one empty piece for an empty text.
std::vector<std::string_view> split(std::string_view text, char separator);

// Whether the bytes are UTF-8 as Unicode defines it (no overlong forms, no surrogates).
bool is_valid_utf8(std::string_view text);

// "'…'" for a message: control characters and invalid bytes as \xNN, cut after 80 bytes.
std::string in_quotes(std::string_view text);

// Lines without their ends ("\n", "\r\n" or "\r", as Python reads text files).
std::vector<std::string_view> split_lines(std::string_view text);

// The whole of a regular file of at most `max_bytes`. Errors: `not_found`; `too_large`;
// `invalid_argument` when it is no regular file; what errno_error says otherwise.
Result<std::string> read_text_file(const std::filesystem::path& file, std::size_t max_bytes);

}  // namespace sharestore
