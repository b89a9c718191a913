#include "storage_server/cli/node_directory.h"

#include <CLI/CLI.hpp>

#include <utility>

#include "storage_server/node/location.h"

namespace sharestore::cli {

std::shared_ptr<std::string> declare_node_directory(CLI::App& app) {
  auto directory = std::make_shared<std::string>();
  app.add_option("NODEDIR", *directory, "The node's directory")->required();
  return directory;
}

Result<ContactFacts> read_contact_facts(const std::filesystem::path& directory,
                                        const Environment& environment) {
  auto config = load_node_config(directory, environment);
  if (!config) return fail(config.error());
  if (!config->storage.anonymous) {
    return fail(Errc::forbidden, config->config_file.string() +
                                     ": section [storage]: anonymous = false, so this node has no "
                                     "address for clients");
  }
  if (!config->tub_port) {
    return fail(Errc::not_found, config->node_directory.string() +
                                     ": this node has no port yet; its first start chooses one, or "
                                     "set [node] tub.port");
  }
  auto keys = read_keys(key_place(*config));
  if (!keys) return fail(keys.error());
  auto hints = resolve_location(config->tub_location, *config->tub_port);
  if (!hints) return fail(hints.error());
  return ContactFacts{std::move(*config), std::move(*keys), std::move(*hints)};
}

}  // namespace sharestore::cli
