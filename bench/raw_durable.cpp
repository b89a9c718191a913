// raw-durable: what the disk itself does, without a server: the yardstick for durable writes.
//
//   raw-durable DIRECTORY --way rename --threads 32 --size 1096 --seconds 3
//
// `rename`: each thread makes a directory, writes a file below a name of its own, fdatasync,
// rename into the directory, then syncs the directory, its parent and the one it came from: what a
// share that is durable by itself needs. `append`: each thread writes to the end of its file and
// fdatasyncs.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "bench/load/histogram.h"

namespace {

using sharestore::load::Histogram;
using Time = std::chrono::steady_clock;

struct Options {
  std::string directory;
  std::string way = "rename";
  std::size_t threads = 32;
  std::size_t bytes = 1096;
  double seconds = 3;
  bool keep = false;
};

void must(bool good, const char* what) {
  if (good) return;
  std::perror(what);
  std::_Exit(1);
}

void sync_directory(const std::string& path) {
  const int directory = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  must(directory >= 0 && fsync(directory) == 0, "fsync of a directory");
  close(directory);
}

void write_whole(int file, const std::string& bytes) {
  must(write(file, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()), "write");
}

// Numbers are used once; 1024 parents, as a store of shares has.
void store_one(const Options& options, const std::string& bytes, std::uint64_t number) {
  const std::string incoming = options.directory + "/incoming";
  const std::string from = fmt::format("{}/{}", incoming, number);
  const std::string parent = fmt::format("{}/{}", options.directory, number % 1024);
  const std::string into = fmt::format("{}/{}", parent, number);
  const int file = open(from.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  must(file >= 0, "create");
  write_whole(file, bytes);
  must(fdatasync(file) == 0, "fdatasync");
  close(file);
  must(mkdir(into.c_str(), 0700) == 0, "mkdir");
  must(rename(from.c_str(), (into + "/0").c_str()) == 0, "rename");
  sync_directory(into);
  sync_directory(parent);
  sync_directory(incoming);
}

void work(const Options& options, std::size_t thread, std::atomic<std::uint64_t>& next,
          Histogram& latency) {
  const std::string bytes(options.bytes, 'x');
  const auto end = Time::now() + std::chrono::duration<double>(options.seconds);
  int log = -1;
  if (options.way == "append") {
    const std::string name = fmt::format("{}/log{}", options.directory, thread);
    log = open(name.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    must(log >= 0, "create");
  }
  while (Time::now() < end) {
    const auto begun = Time::now();
    if (log >= 0) {
      write_whole(log, bytes);
      must(fdatasync(log) == 0, "fdatasync");
    } else {
      store_one(options, bytes, next++);
    }
    latency.add(static_cast<std::uint64_t>((Time::now() - begun).count()));
  }
  if (log >= 0) close(log);
}

double cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto in_seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return in_seconds(used.ru_utime) + in_seconds(used.ru_stime);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"Durable writes without a server"};
  app.add_option("directory", options.directory, "Made, and removed at the end")->required();
  app.add_flag("--keep", options.keep,
               "Do not remove it: some file systems make files slowly for "
               "minutes after many were removed");
  app.add_option("--way", options.way)->check(CLI::IsMember({"rename", "append"}));
  app.add_option("--threads", options.threads);
  app.add_option("--size", options.bytes, "Bytes of one write");
  app.add_option("--seconds", options.seconds);
  CLI11_PARSE(app, argc, argv);

  must(mkdir(options.directory.c_str(), 0700) == 0, options.directory.c_str());
  std::filesystem::create_directory(options.directory + "/incoming");
  for (int i = 0; i < 1024; ++i) {
    std::filesystem::create_directory(fmt::format("{}/{}", options.directory, i));
  }
  sync_directory(options.directory);
  std::atomic<std::uint64_t> next = 0;
  std::vector<Histogram> latencies(options.threads);
  std::vector<std::thread> threads;
  const auto begun = Time::now();
  for (std::size_t i = 0; i < options.threads; ++i) {
    threads.emplace_back(work, std::cref(options), i, std::ref(next), std::ref(latencies[i]));
  }
  for (std::thread& thread : threads) thread.join();
  const double took = std::chrono::duration<double>(Time::now() - begun).count();
  Histogram all;
  for (const Histogram& latency : latencies) all.merge(latency);
  const auto count = static_cast<double>(all.count());
  fmt::print(R"({{"mode":"{}","threads":{},"share_bytes":{},"seconds":{},"operations":{},)"
             R"("payload_bytes":{},"operations_per_s":{},"server_cpu_s":{},"errors":0,)"
             R"("latency_us":{{"p50":{},"p99":{},"p99_5":{},"max":{},"mean":{}}}}})"
             "\n",
             options.way, options.threads, options.bytes, took, all.count(),
             all.count() * options.bytes, count / took, cpu_seconds(), all.part_us(0.5),
             all.part_us(0.99), all.part_us(0.995), all.max_us(), all.mean_us());
  if (!options.keep) std::filesystem::remove_all(options.directory);
  return 0;
}
