#include <CLI/CLI.hpp>

#include <ostream>

#include "config/node_config.h"
#include "storage_server/cli/command.h"
#include "storage_server/cli/node_directory.h"
#include "storage_server/node/take_over.h"

namespace sharestore::cli {

Action declare_take_over(CLI::App& app) {
  const auto directory = declare_node_directory(app);
  return [directory](CommandIo& io) {
    const auto config = load_node_config(*directory, io.environment);
    if (!config) return report(io, config.error());
    if (const auto taken = take_over(*config); !taken) return report(io, taken.error());
    io.out << "The bucket is this node's now. Start it with: sharestore run " << *directory << '\n';
    return kExitDone;
  };
}

}  // namespace sharestore::cli
