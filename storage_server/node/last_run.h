// Whether what the index says can still be true: what ran on this directory since it was written.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "config/node_config.h"

namespace sharestore {

// Kept in the index from one run to the next.
struct LastRun {
  // Files that the Python node rewrites at every start or while it runs.
  static constexpr std::size_t kFiles = 4;
  // When each was last modified, Unix time; 0: it is not there.
  using FileTimes = std::array<std::int64_t, kFiles>;

  std::string backend;  // backend_name() of its configuration
  FileTimes modified_at_ns{};

  // What it is now.
  static LastRun now(const NodeConfig& config);

  std::string to_text() const;
  // Nothing if the text is not what to_text() makes.
  static std::optional<LastRun> from_text(const std::string& text);
};

// Why the shares must be scanned again; empty if there is no reason: another program, the Python
// node first of all, ran on the directory since. Times are compared for being the same, not for
// being newer, so that neither the file system's coarse clock nor one that was set back hides it.
std::string reason_to_rescan(const LastRun& last, const NodeConfig& config);

}  // namespace sharestore
