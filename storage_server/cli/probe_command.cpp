#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <ostream>

#include "config/node_config.h"
#include "storage_server/cli/command.h"
#include "storage_server/cli/node_directory.h"
#include "storage_server/cli/store_access.h"

namespace sharestore::cli {

namespace {

void print_json(std::ostream& out, const ProbeReport& report) {
  boost::json::object findings;
  for (const ProbeFinding& finding : report.findings) findings[finding.what] = finding.answer;
  boost::json::array settings;
  for (const std::string& line : report.settings) settings.emplace_back(line);
  out << boost::json::serialize(boost::json::object{
             {"usable", report.usable}, {"findings", findings}, {"settings", settings}})
      << '\n';
}

void print(std::ostream& out, const ProbeReport& report) {
  for (const ProbeFinding& finding : report.findings) {
    out << fmt::format("{:<38}{}\n", finding.what, finding.answer);
  }
  if (!report.usable) {
    out << "\nThis store cannot keep shares as it is.\n";
    return;
  }
  out << "\nFor tahoe.cfg:\n\n[storage]\n";
  for (const std::string& line : report.settings) out << line << '\n';
}

}  // namespace

Action declare_probe(CLI::App& app) {
  const auto directory = declare_node_directory(app);
  auto as_json = std::make_shared<bool>(false);
  app.add_flag("--json", *as_json, "Print one line of JSON");
  return [directory, as_json](CommandIo& io) {
    const auto config = load_node_config(*directory, io.environment);
    if (!config) return report(io, config.error());
    StoreAccess store;
    const auto probed =
        store.loop.run(probe_store(store.context(), config->storage, store.dependencies()));
    if (!probed) return report(io, probed.error());
    if (*as_json) {
      print_json(io.out, *probed);
    } else {
      print(io.out, *probed);
    }
    return probed->usable ? kExitDone : kExitFailed;
  };
}

}  // namespace sharestore::cli
