#include <fmt/format.h>
#include <fmt/ranges.h>
#include <CLI/CLI.hpp>

#include <memory>
#include <ostream>

#include "config/storage_config.h"
#include "storage_server/cli/command.h"
#include "storage_server/node/create.h"

namespace sharestore::cli {

namespace {

struct Options {
  CreateOptions create;
  std::string directory;
  std::string base_directory;
};

std::string check_backend(const std::string& name) {
  if (is_backend_name(name)) return {};
  return fmt::format("{} is not a backend; expected {}", name, fmt::join(backend_names(), ", "));
}

void declare_addresses(CLI::App& app, CreateOptions& create) {
  CLI::Option* hostname = app.add_option(
      "--hostname", create.hostname,
      "Name or address by which clients reach this machine; a free port is chosen. A loopback "
      "address is for this machine only");
  CLI::Option* port = app.add_option("--port", create.port,
                                     "Endpoint to listen on, such as tcp:3457 (with --location)");
  CLI::Option* location =
      app.add_option("--location", create.location,
                     "Where clients connect, such as tcp:node.example.org:3457 (with --port)");
  port->needs(location)->excludes(hostname);
  location->needs(port)->excludes(hostname);
}

int create(const Options& options, CommandIo& io) {
  CreateOptions wanted = options.create;
  const bool both = !options.directory.empty() && !options.base_directory.empty();
  wanted.directory = options.directory.empty() ? options.base_directory : options.directory;
  if (both || wanted.directory.empty()) {
    io.err << "create-node: expected one NODEDIR\nRun with --help for more information.\n";
    return kExitUsage;
  }
  if (wanted.hostname.empty() && wanted.port.empty()) {
    io.err << "create-node: expected --hostname, or --port and --location\n"
              "Run with --help for more information.\n";
    return kExitUsage;
  }
  if (wanted.web_port == "none") wanted.web_port.clear();
  const auto created = create_node(wanted, io.environment);
  if (!created) return report(io, created.error());
  const std::string directory = created->directory.string();
  io.out << "made a storage node in " << directory << '\n';
  if (!created->still_needed.empty()) {
    io.out << "before it can start: " << created->still_needed
           << "\nthen look at it again with: sharestore check-config " << directory << '\n';
  }
  io.out << "keep a copy of " << directory
         << "/private: without its keys the shares of this node lose their owners\n"
            "start it with: sharestore run "
         << directory << '\n';
  return kExitDone;
}

}  // namespace

Action declare_create_node(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CreateOptions& wanted = options->create;
  app.add_option("NODEDIR", options->directory, "Directory to make; it may exist if it is empty");
  app.add_option("-C,--basedir", options->base_directory, "The same, as an option");
  app.add_option("-n,--nickname", wanted.nickname, "Name shown to the users of the grid");
  app.add_option("-i,--introducer", wanted.introducer_furl,
                 "FURL of the grid's introducer, at which the node announces itself");
  app.add_option("-p,--webport", wanted.web_port,
                 "Endpoint of the status pages, such as tcp:3456:interface=127.0.0.1; none by "
                 "default");
  declare_addresses(app, wanted);
  app.add_option("--storage-dir", wanted.storage_directory,
                 "Directory of shares and index, relative to NODEDIR; storage by default");
  app.add_option("--backend", wanted.backend,
                 fmt::format("Where shares are kept: {}", fmt::join(backend_names(), ", ")))
      ->check(CLI::Validator(check_backend, ""))
      ->default_str("disk");
  return [options](CommandIo& io) { return create(*options, io); };
}

}  // namespace sharestore::cli
