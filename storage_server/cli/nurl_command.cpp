#include <CLI/CLI.hpp>

#include <ostream>

#include "storage_server/cli/command.h"
#include "storage_server/cli/node_directory.h"
#include "storage_server/node/nurl.h"

namespace sharestore::cli {

Action declare_nurl(CLI::App& app) {
  const auto directory = declare_node_directory(app);
  return [directory](CommandIo& io) {
    const auto facts = read_contact_facts(*directory, io.environment);
    if (!facts) return report(io, facts.error());
    const auto nurls = make_nurls(facts->keys, facts->hints);
    if (nurls.empty()) {
      return report(io, Error(Errc::not_found, facts->config.config_file.string() +
                                                   ": section [node]: tub.location has no tcp: or "
                                                   "tor: hint, so there is no NURL"));
    }
    for (const std::string& nurl : nurls) io.out << nurl << '\n';
    return kExitDone;
  };
}

}  // namespace sharestore::cli
