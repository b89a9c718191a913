// Asking a running node: what commands of the command line use.
//
// Blocks the calling thread.
#pragma once

#include <boost/json/object.hpp>

#include <filesystem>
#include <functional>
#include <string_view>

#include "backends/core/error.h"

namespace sharestore::control {

// Called for every progress line while the command runs.
using OnProgress = std::function<void(const boost::json::object&)>;

// The result of the command. not_found: no node runs on the directory, or none yet. forbidden: the
// node is another user's. unavailable: it stopped before it answered. timed_out: it was silent for
// kSilence. Everything else is the node's own answer, with its code and sentence; not_found is also
// what it says of a command that it does not know.
Result<boost::json::object> ask_node(const std::filesystem::path& node_directory,
                                     std::string_view command,
                                     const boost::json::object& arguments = {},
                                     const OnProgress& on_progress = {});

}  // namespace sharestore::control
