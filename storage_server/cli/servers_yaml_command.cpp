#include <CLI/CLI.hpp>

#include <ostream>

#include "storage_server/cli/command.h"
#include "storage_server/cli/node_directory.h"
#include "storage_server/node/nurl.h"

namespace sharestore::cli {

Action declare_servers_yaml(CLI::App& app) {
  const auto directory = declare_node_directory(app);
  return [directory](CommandIo& io) {
    const auto facts = read_contact_facts(*directory, io.environment);
    if (!facts) return report(io, facts.error());
    io.out << make_servers_yaml(facts->keys, facts->hints, facts->config);
    return kExitDone;
  };
}

}  // namespace sharestore::cli
