#include "storage_server/node/process.h"

#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>

namespace sharestore {

namespace {

// Enough for every connection and share file; a larger table costs kernel memory for nothing.
constexpr rlim_t kWantedFiles = 1 << 16;
constexpr int kArenas = 2;

}  // namespace

std::size_t raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  const rlim_t wanted = std::min(std::max(limit.rlim_cur, kWantedFiles), limit.rlim_max);
  if (wanted > limit.rlim_cur) {
    limit.rlim_cur = wanted;
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) ::getrlimit(RLIMIT_NOFILE, &limit);
  }
  return limit.rlim_cur;
}

void limit_allocator_arenas() { ::mallopt(M_ARENA_MAX, kArenas); }

}  // namespace sharestore
