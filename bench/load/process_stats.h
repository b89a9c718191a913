// CPU time and memory of processes, from /proc.
//
// Any thread. A process that is gone counts as nothing.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

namespace sharestore::load {

struct ProcessStats {
  double cpu_s = 0;  // of all threads that live, system calls included
  std::uint64_t rss_bytes = 0;
  std::uint64_t anonymous_bytes = 0;
  std::uint64_t peak_bytes = 0;
};

// The sum over processes.
ProcessStats stats_of(const std::vector<pid_t>& processes);

// Of one thread of this process: time it ran and time it waited for a processor.
struct ThreadTimes {
  double ran_s = 0;
  double waited_s = 0;
};
ThreadTimes times_of_thread(pid_t thread);

}  // namespace sharestore::load
