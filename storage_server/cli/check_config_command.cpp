#include <CLI/CLI.hpp>

#include <ostream>

#include "config/node_config.h"
#include "storage_server/cli/command.h"
#include "storage_server/cli/node_directory.h"
#include "storage_server/node/keys.h"

namespace sharestore::cli {

Action declare_check_config(CLI::App& app) {
  const auto directory = declare_node_directory(app);
  return [directory](CommandIo& io) {
    const auto config = load_node_config(*directory, io.environment);
    if (!config) return report(io, config.error());
    if (const auto keys = check_keys(key_place(*config)); !keys) return report(io, keys.error());
    for (const std::string& notice : config->notices) io.out << "note: " << notice << '\n';
    io.out << config->node_directory.string()
           << ": the configuration is correct; backend = " << backend_name(config->storage.backend)
           << '\n';
    return kExitDone;
  };
}

}  // namespace sharestore::cli
