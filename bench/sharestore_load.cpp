// sharestore-load: load for any server of the HTTP storage protocol, named by its NURL.
//
//   sharestore-load NURL --mode range --connections 32 --seconds 5 --server-pid 4711
//
// Stores the shares that a mode reads, then repeats operations for a while, checks every answer and
// every byte, and says how fast that was, what it cost the server, and whether the load itself was
// the limit. The exit code is 0 when every operation succeeded.
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "backends/core/storage_index.h"
#include "bench/load/driver.h"
#include "bench/load/report.h"

namespace {

using namespace sharestore;  // a program, not a library
using namespace sharestore::load;

const std::map<std::string, Mode> kModes = {
    {"version", Mode::version},
    {"list", Mode::list},
    {"get", Mode::get},
    {"range", Mode::range},
    {"sequence", Mode::sequence},
    {"scattered", Mode::scattered},
    {"upload", Mode::upload},
    {"mixed", Mode::mixed},
    {"lease", Mode::lease},
    {"read-test-write", Mode::read_test_write},
    {"handshake", Mode::handshake},
    {"resume", Mode::resume},
    {"idle", Mode::idle},
};

// Uploads of this run that are read back afterwards.
constexpr std::uint64_t kCheckedUploads = 16;
constexpr std::size_t kPreparingConnections = 16;

struct Arguments {
  std::string nurl;
  std::string mode = "version";
  DriverOptions driver;
  bool json = false;
  bool prepare = true;
  std::string files;
  std::string names;
  std::vector<int> server;
};

int failed(const std::string& what) {
  fmt::print(stderr, "sharestore-load: {}\n", what);
  return 1;
}

bool reads_prepared(Mode mode) {
  return mode == Mode::list || mode == Mode::get || mode == Mode::range || mode == Mode::sequence ||
         mode == Mode::scattered || mode == Mode::mixed || mode == Mode::lease;
}

// Below `directory`, at the paths of the protocol, for servers of files.
void write_files(const Plan& plan, const std::filesystem::path& directory) {
  for (std::uint64_t share = 0; share < plan.shares; ++share) {
    const std::filesystem::path file = directory / prepared_path(plan, share);
    std::filesystem::create_directories(file.parent_path());
    std::ofstream out(file, std::ios::binary);
    for (std::uint64_t at = 0; at < plan.share_bytes;) {
      const auto left = std::min<std::uint64_t>(plan.share_bytes - at, Content::kRunBytes);
      const ByteSpan run = plan.content.at(share, at, static_cast<std::size_t>(left));
      // NOLINTNEXTLINE(bugprone-suspicious-stringview-data-usage): its size goes with it
      out.write(as_text(run).data(), static_cast<std::streamsize>(run.size()));
      at += run.size();
    }
    if (!out.flush()) throw std::runtime_error("cannot write " + file.string());
  }
}

// The storage indexes in the file, one a line.
std::vector<std::string> read_names(const std::string& file) {
  std::ifstream in(file);
  std::vector<std::string> names;
  for (std::string line; std::getline(in, line);) {
    if (!StorageIndex::from_text(line)) {
      throw std::runtime_error(
          fmt::format("{} has a line that is no storage index: {}", file, line));
    }
    names.push_back(line);
  }
  if (names.empty()) throw std::runtime_error(file + " names no share");
  return names;
}

// One operation each of `source`, before or after what is measured.
Status run_once(Plan& plan, const std::function<std::unique_ptr<Script>(std::uint64_t)>& make,
                std::uint64_t operations, const DriverOptions& like) {
  if (operations == 0) return {};
  DriverOptions options = like;
  options.connections = std::min<std::size_t>(kPreparingConnections, operations);
  options.threads = 1;
  options.operations = operations;
  options.server.clear();
  const auto report = run_load(plan, {make, /*one_operation_each=*/true}, options);
  if (!report) return fail(report.error());
  if (report->tally.errors > 0) return fail(Errc::io_error, report->tally.first_error);
  if (report->tally.operations < operations) return fail(Errc::timed_out, "not done in time");
  return {};
}

int run(Plan& plan, const Arguments& arguments) {
  const Mode mode = plan.mode;
  if (!arguments.names.empty()) {
    if (mode != Mode::lease) return failed("--names is for --mode lease");
    plan.names = read_names(arguments.names);
  } else if (reads_prepared(mode)) {
    for (std::uint64_t share = 0; share < plan.shares; ++share) {
      plan.names.push_back(storage_index_text(plan.set, share));
    }
  }
  if (arguments.prepare && arguments.names.empty() && reads_prepared(mode)) {
    plan.mode = Mode::upload;
    const auto make = [&](std::uint64_t share) { return make_preparation(plan, share); };
    if (auto ready = run_once(plan, make, plan.shares, arguments.driver); !ready) {
      return failed("preparing shares: " + ready.error().message());
    }
    plan.mode = mode;
  }
  const ScriptSource source{[&](std::uint64_t number) { return make_script(plan, number); }, false};
  const auto report = run_load(plan, source, arguments.driver);
  if (!report) return failed(report.error().message());
  const std::string text = arguments.json ? to_json(arguments.mode, *report, plan, arguments.driver)
                                          : to_text(arguments.mode, *report, arguments.driver);
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
  if (mode == Mode::upload && report->tally.errors == 0) {
    const std::uint64_t stored = std::min(plan.uploads.load(), report->tally.operations);
    const auto make = [&](std::uint64_t upload) {
      return make_check(plan, upload * stored / std::min(stored, kCheckedUploads));
    };
    plan.mode = Mode::get;
    const auto read = run_once(plan, make, std::min(stored, kCheckedUploads), arguments.driver);
    if (!read) return failed(read.error().message());
  }
  return report->tally.errors == 0 && report->tally.operations + report->connected > 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  Plan plan;
  DriverOptions& driver = arguments.driver;
  CLI::App app{"Load for a server of the Tahoe-LAFS HTTP storage protocol"};
  app.add_option("nurl", arguments.nurl, "pb://<hash>@<IPv4 address>:<port>/<swissnum>#v=1")
      ->required();
  std::vector<std::string> names;
  names.reserve(kModes.size());
  for (const auto& [name, mode] : kModes) names.push_back(name);
  app.add_option("--mode", arguments.mode, "What the connections do")
      ->check(CLI::IsMember(names))
      ->capture_default_str();
  const CLI::Range positive(1ULL, 1ULL << 50);
  app.add_option("--connections", driver.connections)->check(positive)->capture_default_str();
  app.add_option("--threads", driver.threads)->check(positive)->capture_default_str();
  app.add_option("--seconds", driver.seconds, "Measured")->capture_default_str();
  app.add_option("--warmup", driver.warmup_s, "Seconds before that")->capture_default_str();
  app.add_option("--operations", driver.operations, "End after so many, instead of --seconds");
  app.add_option("--longest", driver.longest_s, "End then, whatever happens; seconds")
      ->capture_default_str();
  const CLI::AsSizeValue bytes(false);
  app.add_option("--size", plan.share_bytes, "Of a share")->transform(bytes);
  app.add_option("--range", plan.range_bytes, "Of a ranged read")->transform(bytes);
  app.add_option("--first-place", plan.first_place,
                 "Of a share, where --mode scattered begins; 0: its start");
  app.add_option("--piece", plan.piece_bytes, "Of a PATCH, and of a mutable write")
      ->transform(bytes);
  app.add_option("--shares", plan.shares, "Prepared for modes that read")->check(positive);
  app.add_option("--set", plan.set, "Which prepared shares: a number, part of their names");
  app.add_option(
      "--names", arguments.names,
      "File of storage indexes, one a line, whose leases --mode lease renews; nothing is "
      "prepared");
  app.add_option("--cipher-suite", driver.cipher_suite, "The only one of TLS 1.3 that is offered");
  app.add_option("--server-pid", arguments.server, "Processes whose CPU time is reported");
  app.add_flag("--json", arguments.json);
  app.add_flag("!--no-prepare", arguments.prepare, "The prepared shares are there");
  app.add_option("--write-files", arguments.files,
                 "Only writes the prepared shares below this directory, for servers of files");
  CLI11_PARSE(app, argc, argv);

  auto target = parse_nurl(arguments.nurl);
  if (!target) return failed(target.error().message());
  plan.target = std::move(*target);
  plan.mode = kModes.at(arguments.mode);
  plan.run = static_cast<std::uint64_t>(Time::now().time_since_epoch().count()) ^
             static_cast<std::uint64_t>(getpid());
  driver.server.assign(arguments.server.begin(), arguments.server.end());
  std::signal(SIGPIPE, SIG_IGN);
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  try {
    if (!arguments.files.empty()) {
      write_files(plan, arguments.files);
      return 0;
    }
    return run(plan, arguments);
  } catch (const std::exception& error) {
    return failed(error.what());
  }
}
