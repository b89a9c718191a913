// A run of the load: threads, their connections, the measured window, and what was counted.
//
// run_load() is called from one thread at a time.
#pragma once

#include <sys/types.h>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "backends/core/error.h"
#include "bench/load/client.h"

namespace sharestore::load {

struct DriverOptions {
  std::size_t connections = 32;
  std::size_t threads = 1;
  double warmup_s = 0.5;
  double seconds = 5;
  std::uint64_t operations = 0;  // then it ends; no warm-up and no end by time
  double longest_s = 600;        // whatever happens, it ends
  std::string cipher_suite;
  std::vector<pid_t> server;  // processes whose CPU time and memory are reported
};

struct Report {
  Tally tally;
  double seconds = 0;  // of the measured window
  double client_cpu_s = 0;
  double busiest_thread = 0;  // part of the window that it ran or waited for a processor
  double server_cpu_s = 0;
  std::uint64_t server_rss_bytes = 0;  // at the end of the window
  std::uint64_t server_anonymous_bytes = 0;
  std::uint64_t server_peak_bytes = 0;
  std::uint64_t connected = 0;  // at the end of the window
};

// Every connection runs scripts of `source`. Errors of operations are in the report; an error here
// means that nothing could be run.
Result<Report> run_load(Plan& plan, const ScriptSource& source, const DriverOptions& options);

}  // namespace sharestore::load
