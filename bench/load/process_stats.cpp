#include "bench/load/process_stats.h"

#include <filesystem>
#include <fstream>
#include <string>

namespace sharestore::load {
namespace {

// Nanoseconds run and waited, from a schedstat file.
ThreadTimes read_schedstat(const std::filesystem::path& file) {
  std::ifstream in(file);
  double ran_ns = 0;
  double waited_ns = 0;
  if (!(in >> ran_ns >> waited_ns)) return {};
  return {ran_ns / 1e9, waited_ns / 1e9};
}

}  // namespace

ProcessStats stats_of(const std::vector<pid_t>& processes) {
  ProcessStats sum;
  for (const pid_t process : processes) {
    const std::filesystem::path directory = "/proc/" + std::to_string(process);
    std::error_code gone;
    for (const auto& thread : std::filesystem::directory_iterator(directory / "task", gone)) {
      sum.cpu_s += read_schedstat(thread.path() / "schedstat").ran_s;
    }
    std::ifstream in(directory / "status");
    std::string name;
    while (in >> name) {
      std::uint64_t* into = name == "VmRSS:"     ? &sum.rss_bytes
                            : name == "RssAnon:" ? &sum.anonymous_bytes
                            : name == "VmHWM:"   ? &sum.peak_bytes
                                                 : nullptr;
      std::uint64_t kib = 0;
      if (into && in >> kib) *into += kib * 1024;
      std::string rest;
      std::getline(in, rest);
    }
  }
  return sum;
}

ThreadTimes times_of_thread(pid_t thread) {
  return read_schedstat("/proc/self/task/" + std::to_string(thread) + "/schedstat");
}

}  // namespace sharestore::load
