#include <fmt/chrono.h>
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <ctime>
#include <memory>
#include <ostream>
#include <string>

#include "config/node_config.h"
#include "config/text.h"
#include "storage_server/cli/command.h"
#include "storage_server/cli/node_directory.h"
#include "storage_server/cli/store_access.h"

namespace sharestore::cli {

namespace {

constexpr std::size_t kPageObjects = 1000;

// Names that others gave may hold anything.
std::string shown(const std::string& name) {
  std::string text;
  for (const char c : name) text += is_ascii_control(c) ? '?' : c;
  return text;
}

void print(std::ostream& out, const ObjectInfo& object, bool as_json) {
  if (as_json) {
    const boost::json::object line{{"key", object.key},
                                   {"size_bytes", object.size_bytes},
                                   {"modified_at", object.modified_at},
                                   {"etag", object.etag}};
    out << boost::json::serialize(line) << '\n';
    return;
  }
  const std::time_t at = object.modified_at;
  out << fmt::format("{:>14}  {:%Y-%m-%d %H:%M:%S}  {}\n", object.size_bytes, fmt::gmtime(at),
                     shown(object.key));
}

// Page by page, so that a bucket of any size is printed in bounded memory.
Status list(ObjectContainer& container, StoreAccess& store, const std::string& prefix, bool as_json,
            std::ostream& out) {
  std::string after;
  while (true) {
    auto page = store.loop.run(container.list(store.context(), prefix, after, kPageObjects));
    if (!page) return fail(page.error());
    for (const ObjectInfo& object : page->objects) print(out, object, as_json);
    if (!page->more || page->objects.empty()) return {};
    after = page->objects.back().key;
  }
}

}  // namespace

Action declare_ls_container(CLI::App& app) {
  const auto directory = declare_node_directory(app);
  auto as_json = std::make_shared<bool>(false);
  app.add_flag("--json", *as_json, "Print one line of JSON for each object");
  return [directory, as_json](CommandIo& io) {
    const auto config = load_node_config(*directory, io.environment);
    if (!config) return report(io, config.error());
    StoreAccess store;
    const auto container = make_container(config->storage, store.dependencies());
    if (!container) return report(io, container.error());
    const Status listed =
        list(**container, store, container_prefix(config->storage), *as_json, io.out);
    (void)store.loop.run((*container)->close());
    return listed ? kExitDone : report(io, listed.error());
  };
}

}  // namespace sharestore::cli
