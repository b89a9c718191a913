// Loads secrets from a node's `private/` folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

#include "backends/core/error.h"
#include "backends/core/secret.h"

namespace sharestore {

inline constexpr std::size_t kMaxPrivateFileBytes = std::size_t{64} << 10;

enum class PrivateForm : std::uint8_t {
  one_line,  // a key, token or password: it goes into headers, so no control characters
  any_text,  // such as a PEM file
};

// The file's content without trailing white space.
//
// A file that its mode opens to group or others is refused only if the folder is open to them too:
// inside a closed folder (0700) nobody else gets at it, and the Python node writes 0644 there.
//
// Errors: `not_found`; `forbidden` when the mode is too open (the sentence has the chmod to run)
// or this process may not read it; `invalid_argument` when it is empty or has not that form;
// `too_large` beyond kMaxPrivateFileBytes.
Result<Secret> read_private_file(const std::filesystem::path& private_directory,
                                 std::string_view name, PrivateForm form = PrivateForm::one_line);

// The same; none when there is no such file.
Result<std::optional<Secret>> read_optional_private_file(
    const std::filesystem::path& private_directory, std::string_view name,
    PrivateForm form = PrivateForm::one_line);

}  // namespace sharestore
