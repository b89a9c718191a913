#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <ostream>

#include "config/node_config.h"
#include "storage_server/cli/command.h"
#include "storage_server/cli/node_directory.h"
#include "storage_server/cli/store_access.h"

namespace sharestore::cli {

Action declare_create_container(CLI::App& app) {
  const auto directory = declare_node_directory(app);
  return [directory](CommandIo& io) {
    const auto config = load_node_config(*directory, io.environment);
    if (!config) return report(io, config.error());
    StoreAccess store;
    const auto container = make_container(config->storage, store.dependencies());
    if (!container) return report(io, container.error());
    const Status made = store.loop.run((*container)->create(store.context()));
    (void)store.loop.run((*container)->close());
    if (!made) return report(io, made.error());
    io.out << "created the container that " << config->node_directory.string() << " names\n";
    return kExitDone;
  };
}

}  // namespace sharestore::cli
