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

struct VerifyArguments {
  std::string scope;
  std::string from;
  bool repair = false;
  bool as_json = false;
};

std::uint64_t number(const json::object& object, std::string_view key) {
  return object.at(key).to_number<std::uint64_t>();
}

void print(std::ostream& out, const json::object& report, const json::array& findings) {
  for (const json::value& sentence : report.at("index_damage").as_array()) {
    out << "index: " << sentence.as_string().c_str() << '\n';
  }
  for (const json::value& finding : findings) {
    out << fmt::format("{}: {}: {}", finding.at("share").as_string().c_str(),
                       finding.at("problem").as_string().c_str(),
                       finding.at("detail").as_string().c_str());
    if (const json::value* place = finding.as_object().if_contains("place")) {
      out << "; it is in " << place->as_string().c_str();
    } else if (finding.at("repaired").as_bool()) {
      out << "; the index agrees now";
    }
    out << '\n';
  }
  if (const std::uint64_t more = number(report, "findings_left_out"); more > 0) {
    out << fmt::format("… and {} more\n", more);
  }
  out << fmt::format("{} shares in the store, {} in the index: {} problems, {} repaired.\n",
                     number(report, "stored_shares"), number(report, "indexed_shares"),
                     number(report, "problem_count"), number(report, "repaired"));
  if (!report.at("index_damage").as_array().empty()) {
    out << "The index is damaged: restart the node, which then builds a new one from the shares.\n";
  } else if (!report.at("complete").as_bool()) {
    out << fmt::format("Not everything was looked at: go on with --from={}\n",
                       report.at("next").as_string().c_str());
  }
}

// Nothing is wrong, or is any more.
bool is_sound(const json::object& report) {
  return report.at("complete").as_bool() &&
         number(report, "problem_count") == number(report, "repaired");
}

int verify(const std::string& directory, const VerifyArguments& given, CommandIo& io) {
  json::array findings;
  const auto on_progress =
      [&, line = std::make_shared<ProgressLine>(io)](const json::object& progress) {
        if (const json::value* some = progress.if_contains("findings")) {
          for (const json::value& finding : some->as_array()) findings.push_back(finding);
          return;
        }
        line->show(fmt::format("{} of {} prefixes, {} shares, {} problems",
                               number(progress, "prefixes_done"), number(progress, "prefixes"),
                               number(progress, "shares"), number(progress, "problem_count")));
      };
  auto report_or = perform(directory, io, "verify",
                           {{"scope", given.scope}, {"from", given.from}, {"repair", given.repair}},
                           on_progress);
  if (!report_or) return report(io, report_or.error());
  if (given.as_json) {
    json::object all = *report_or;
    all["findings"] = findings;
    io.out << json::serialize(all) << '\n';
  } else {
    print(io.out, *report_or, findings);
  }
  return is_sound(*report_or) ? kExitDone : kExitFailed;
}

}  // namespace

Action declare_verify(CLI::App& app) {
  const auto directory = declare_node_directory(app);
  auto given = std::make_shared<VerifyArguments>();
  app.add_option("SCOPE", given->scope, "A storage index, or the beginning of some; all if absent");
  app.add_flag("--repair", given->repair,
               "Mend the index and move damaged shares to quarantine; nothing is deleted");
  app.add_option("--from", given->from, "Go on where an earlier run said it had ended");
  app.add_flag("--json", given->as_json, "Print the report as JSON");
  return [directory, given](CommandIo& io) { return verify(*directory, *given, io); };
}

}  // namespace sharestore::cli
