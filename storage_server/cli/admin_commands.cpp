#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include <cstdint>
#include <memory>
#include <ostream>
#include <string>

#include "storage_server/cli/command.h"
#include "storage_server/cli/maintenance.h"
#include "storage_server/cli/node_directory.h"

namespace sharestore::cli {

namespace json = boost::json;

namespace {

// A command without options of its own: done, and what that means.
Action plain(CLI::App& app, std::string command, std::string sentence) {
  const auto directory = declare_node_directory(app);
  return [directory, command = std::move(command), sentence = std::move(sentence)](CommandIo& io) {
    const auto done = perform(*directory, io, command, {});
    if (!done) return report(io, done.error());
    io.out << sentence << '\n';
    return kExitDone;
  };
}

std::uint64_t number(const json::object& object, std::string_view key) {
  return object.at(key).to_number<std::uint64_t>();
}

}  // namespace

Action declare_accept_expiry(CLI::App& app) {
  return plain(app, "accept-expiry",
               "Shares found at the take-over get no more grace: those whose leases have ended go "
               "with the next pass.");
}

Action declare_accept_clock(CLI::App& app) {
  return plain(app, "accept-clock",
               "The clock is taken to be right: shares whose leases have ended go again.");
}

Action declare_flush_leases(CLI::App& app) {
  const auto directory = declare_node_directory(app);
  return [directory](CommandIo& io) {
    ProgressLine line(io);
    const auto done =
        perform(*directory, io, "flush-leases", {}, [&](const json::object& progress) {
          line.show(fmt::format("{} share files written", number(progress, "share_files")));
        });
    if (!done) return report(io, done.error());
    io.out << fmt::format("Leases written into {} share files; none is newer in the index.\n",
                          number(*done, "share_files"));
    return kExitDone;
  };
}

Action declare_rebuild_index(CLI::App& app) {
  const auto directory = declare_node_directory(app);
  const auto as_json = std::make_shared<bool>(false);
  app.add_flag("--json", *as_json, "Print the result as JSON");
  return [directory, as_json](CommandIo& io) {
    ProgressLine line(io);
    const auto done =
        perform(*directory, io, "rebuild-index", {}, [&](const json::object& progress) {
          line.show(fmt::format("{} shares, {:.0f} % of the store", number(progress, "shares"),
                                100 * progress.at("done").to_number<double>()));
        });
    if (!done) return report(io, done.error());
    if (*as_json) {
      io.out << json::serialize(*done) << '\n';
      return kExitDone;
    }
    io.out << fmt::format(
        "The index is built: {} immutable and {} mutable shares, {} bytes, {} leases, {} lost.\n",
        number(*done, "immutable_shares"), number(*done, "mutable_shares"), number(*done, "bytes"),
        number(*done, "leases"), number(*done, "lost_shares"));
    return kExitDone;
  };
}

Action declare_remove(CLI::App& app) {
  const auto directory = declare_node_directory(app);
  auto share = std::make_shared<std::string>();
  app.add_option("SHARE", *share, "STORAGE-INDEX for all its shares, or STORAGE-INDEX/NUMBER")
      ->required();
  return [directory, share](CommandIo& io) {
    const auto done = perform(*directory, io, "remove", {{"share", *share}});
    if (!done) return report(io, done.error());
    for (const json::value& one : done->at("removed").as_array()) {
      io.out << fmt::format("{} ({} bytes) is in {}\n", one.at("share").as_string().c_str(),
                            one.at("bytes").to_number<std::uint64_t>(),
                            one.at("place").as_string().c_str());
    }
    return kExitDone;
  };
}

}  // namespace sharestore::cli
