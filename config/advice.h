// Finds unknown sections and keys of a `tahoe.cfg`, and what their author may have meant.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "backends/core/error.h"
#include "config/ini_reader.h"

namespace sharestore {

// The candidate that needs the fewest edits (insert, delete, replace, swap), if they are few
// enough for a slip of the hand. The result points into `candidates`.
std::optional<std::string_view> nearest(std::string_view word,
                                        std::span<const std::string_view> candidates);

// "; did you mean 'x'?", or nothing.
std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates);

// The first section or key that is not known, as
// "<file>:<line>: section [s]: unknown key 'k'; did you mean 'x'?".
Status check_known(const IniDocument& document);

}  // namespace sharestore
