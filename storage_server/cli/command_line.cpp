#include <CLI/CLI.hpp>

#include <map>
#include <ostream>
#include <sstream>
#include <string>

#include "storage_server/cli/command.h"
#include "storage_server/node/version.h"

namespace sharestore::cli {

namespace {

constexpr const char* kExitCodes =
    "Exit status: 0 done (or a clean stop), 1 failed, 2 wrong usage.";

// The group's own node of the command line, made when its first command is declared.
CLI::App& parent_of(CLI::App& root, std::map<std::string, CLI::App*>& groups,
                    std::string_view group) {
  if (group.empty()) return root;
  CLI::App*& found = groups[std::string(group)];
  if (found == nullptr) {
    found = root.add_subcommand(std::string(group), "Commands for the operator of a node");
    found->require_subcommand(1);
  }
  return *found;
}

void declare_all(CLI::App& root, Action& chosen) {
  std::map<std::string, CLI::App*> groups;
  for (const Command& command : all_commands()) {
    CLI::App& parent = parent_of(root, groups, command.group);
    CLI::App* app =
        parent.add_subcommand(std::string(command.name), std::string(command.description));
    app->footer(kExitCodes);
    // Run when the command was named and its options understood; the work itself is done after
    // parsing, so that its errors are not taken for wrong usage.
    app->callback([&chosen, action = command.declare(*app)] { chosen = action; });
  }
}

// CLI11 would only say that a command is missing.
bool is_no_command(const CLI::App& root, const std::string& word) {
  const auto named = [&word](const CLI::App* app) { return app->check_name(word); };
  return !word.starts_with('-') && root.get_subcommands(named).empty();
}

}  // namespace

int report(CommandIo& io, const Error& error) {
  io.err << "sharestore: " << error.message() << '\n';
  return kExitFailed;
}

int run_command_line(int argc, const char* const* argv, CommandIo& io) {
  CLI::App root("A storage node for Tahoe-LAFS grids.", "sharestore");
  root.set_version_flag("--version", std::string(kProgramName) + " " + kVersion);
  root.require_subcommand(1);
  root.footer(kExitCodes);
  Action chosen;
  declare_all(root, chosen);
  if (argc > 1 && is_no_command(root, argv[1])) {
    io.err << "'" << argv[1] << "' is not a command\nRun with --help for more information.\n";
    return kExitUsage;
  }
  try {
    root.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::ostringstream out;
    std::ostringstream err;
    const int code = root.exit(error, out, err);
    io.out << out.str();
    io.err << err.str();
    return code == 0 ? kExitDone : kExitUsage;
  }
  return chosen(io);
}

}  // namespace sharestore::cli
