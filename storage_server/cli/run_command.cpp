#include <unistd.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <memory>
#include <ostream>
#include <string>
#include <thread>

#include "backends/core/log.h"
#include "storage_server/cli/command.h"
#include "storage_server/cli/node_directory.h"
#include "storage_server/node/node.h"
#include "storage_server/node/nurl.h"
#include "storage_server/node/process.h"
#include "storage_server/node/version.h"

namespace sharestore::cli {

namespace {

// Some supervisors send a signal to the process and then to its group: that is one request.
constexpr std::chrono::seconds kSameSignal{1};

// What the main thread waits for. Blocked in every thread, so that it gets them.
sigset_t awaited_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGUSR1, SIGUSR2}) sigaddset(&set, number);
  return set;
}

void change_level(int step) {
  constexpr int kLast = static_cast<int>(log::Level::error);
  const int next = std::clamp(static_cast<int>(log::level()) + step, 0, kLast);
  const auto level = static_cast<log::Level>(next);
  log::set_level(level);
  log::write(level, std::string("log level: ") + std::string(to_string(level)));
}

// Returns the signal that asks for the end, or any once `done` is set.
int wait_for_end(const sigset_t& signals, const std::atomic<bool>& done) {
  for (;;) {
    int number = 0;
    if (::sigwait(&signals, &number) != 0) continue;
    if (done) return number;
    if (number == SIGUSR1) {
      change_level(-1);
    } else if (number == SIGUSR2) {
      change_level(1);
    } else {
      return number;
    }
  }
}

// Goes on taking signals while the node stops: a second one, of someone who does not want to wait,
// ends the process at once.
class Impatience {
 public:
  explicit Impatience(const sigset_t& signals)
      : begun_(std::chrono::steady_clock::now()), thread_([this, signals] { watch(signals); }) {}
  ~Impatience() {
    done_ = true;
    ::pthread_kill(thread_.native_handle(), SIGUSR1);
    thread_.join();
  }
  Impatience(const Impatience&) = delete;
  Impatience& operator=(const Impatience&) = delete;

 private:
  void watch(const sigset_t& signals) const {
    for (;;) {
      const int number = wait_for_end(signals, done_);
      if (done_) return;
      if (std::chrono::steady_clock::now() - begun_ >= kSameSignal) ::_exit(128 + number);
    }
  }

  const std::chrono::steady_clock::time_point begun_;
  std::atomic<bool> done_{false};
  std::thread thread_;
};

// On a terminal the whole NURL is shown. It is a capability, so where output goes to a journal or a
// file it is not: `sharestore nurl` prints it.
void announce(CommandIo& io, const Node& node, const NodeConfig& config) {
  const bool terminal = ::isatty(STDOUT_FILENO) == 1;
  for (const std::string& nurl : node.nurls()) {
    log::info("clients connect to {}", without_swissnum(nurl));
    if (terminal) io.out << "NURL: " << nurl << std::endl;
  }
  log::info("running: {} {}, process {}, backend {}, directory {}", kProgramName, kVersion,
            ::getpid(), backend_name(config.storage.backend), config.node_directory.string());
}

int fail_to_start(const Error& error) {
  log::error("{}", error.message());
  return kExitFailed;
}

int run_node(const std::string& directory, CommandIo& io) {
  const sigset_t signals = awaited_signals();
  limit_allocator_arenas();
  const auto config = load_node_config(directory, io.environment);
  if (!config) return fail_to_start(config.error());
  auto node = Node::start(*config);
  if (!node) return fail_to_start(node.error());
  announce(io, **node, *config);
  const int number = wait_for_end(signals, false);
  log::info("stopping on {}", number == SIGTERM ? "SIGTERM" : "SIGINT");
  const Impatience impatience(signals);
  if (!(*node)->stop()) log::warning("some requests were cut off: their time was up");
  node->reset();
  log::info("stopped");
  return kExitDone;
}

}  // namespace

Action declare_run(CLI::App& app) {
  const auto directory = declare_node_directory(app);
  auto level = std::make_shared<std::string>("info");
  app.add_option("--log-level", *level, "trace, debug, info, warning or error")
      ->check(CLI::IsMember({"trace", "debug", "info", "warning", "error"}))
      ->capture_default_str();
  return [directory, level](CommandIo& io) {
    // Before the log's thread exists, so that it too leaves the signals to this one.
    sigset_t signals = awaited_signals();
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    log::start(log::parse_level(*level).value_or(log::Level::info));
    const int code = run_node(*directory, io);
    log::stop();
    return code;
  };
}

}  // namespace sharestore::cli
