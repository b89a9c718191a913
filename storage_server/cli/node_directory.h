// What several commands read of a node directory.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "backends/core/error.h"
#include "config/node_config.h"
#include "storage_server/node/keys.h"

namespace CLI {
class App;
}

namespace sharestore::cli {

// Declares the required NODEDIR argument; the string is filled when the command line is parsed.
std::shared_ptr<std::string> declare_node_directory(CLI::App& app);

struct ContactFacts {
  NodeConfig config;
  NodeKeys keys;
  std::vector<LocationHint> hints;  // without AUTO
};

// Everything that clients are told about the node. Changes nothing on disk.
// forbidden: `[storage] anonymous = false`. not_found: the node has no keys or no port yet.
Result<ContactFacts> read_contact_facts(const std::filesystem::path& directory,
                                        const Environment& environment);

}  // namespace sharestore::cli
