// What a command is: a name, options, and an action to run once the command line was understood.
//
// Main thread.
#pragma once

#include <functional>
#include <iosfwd>
#include <span>
#include <string>
#include <string_view>

#include "backends/core/error.h"
#include "config/environment.h"

namespace CLI {
class App;
}

namespace sharestore::cli {

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;

// Where a command prints, and the environment it runs in.
struct CommandIo {
  std::ostream& out;
  std::ostream& err;
  Environment environment;
};

// Runs the command; returns the exit code.
using Action = std::function<int(CommandIo&)>;

struct Command {
  std::string_view name;
  // Empty, or the name of the group it stands under ("admin").
  std::string_view group;
  std::string_view description;
  // Declares options on `app`, which outlives the action that it returns.
  Action (*declare)(CLI::App& app);
};

std::span<const Command> all_commands();

// What main calls. Prints help (exit 0), a usage error (exit 2), or runs one command.
int run_command_line(int argc, const char* const* argv, CommandIo& io);

// Prints the error's sentence; returns kExitFailed.
int report(CommandIo& io, const Error& error);

Action declare_create_node(CLI::App& app);
Action declare_run(CLI::App& app);
Action declare_check_config(CLI::App& app);
Action declare_nurl(CLI::App& app);
Action declare_servers_yaml(CLI::App& app);
Action declare_status(CLI::App& app);
Action declare_create_container(CLI::App& app);
Action declare_ls_container(CLI::App& app);
Action declare_probe(CLI::App& app);
Action declare_take_over(CLI::App& app);
Action declare_verify(CLI::App& app);
Action declare_accept_expiry(CLI::App& app);
Action declare_accept_clock(CLI::App& app);
Action declare_flush_leases(CLI::App& app);
Action declare_rebuild_index(CLI::App& app);
Action declare_remove(CLI::App& app);

}  // namespace sharestore::cli
