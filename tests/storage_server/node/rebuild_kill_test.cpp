// kill -9 of a process that rebuilds its index from share files: before and after every page of the
// scan, and at moments spread over the whole run. What it acknowledged meanwhile is there, the next
// process completes the rebuild, and no share file is touched.
#include "storage_server/node/rebuild_run.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>
#include <thread>

#include "tests/support/disk_store.h"
#include "tests/support/needs_fork.h"
#include "tests/support/temp_dir.h"

namespace sharestore {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::int64_t kBegin = 1'700'000'000;
// More than two pages of the scan.
constexpr std::uint64_t kShares = 2 * kRebuildPageShares + 100;
// As long ago as the file format can say: no rebuild may take that for a reason to remove it.
constexpr std::int64_t kEnded = 1000;

ShareId share(std::uint64_t n) { return {test_index(n), 0}; }

// Where a child ends its own life; neither: it goes on to its end.
struct Death {
  int before_scan = 0;
  int after_scan = 0;
};

void rebuild_to_the_end(DiskStore& store) {
  RebuildRun rebuild(*store.backend, *store.store, *store.index, store.clock);
  const std::atomic<bool> stopping{false};
  DiskStore::must(run_task(rebuild.request()));
  DiskStore::must(run_task(rebuild.finish(stopping)));
}

// Begins with an empty index; leases share 7 before anything was scanned.
[[noreturn]] void child(const std::filesystem::path& directory, Death death) {
  FakeClock clock(kBegin);
  DiskStore store(directory, clock);
  int scans_begun = 0;
  int scans_ended = 0;
  store.hooks->before = [&](std::string_view call) -> Status {
    if (call == "scan" && ++scans_begun == death.before_scan) ::kill(::getpid(), SIGKILL);
    return {};
  };
  store.hooks->after = [&](std::string_view call) {
    if (call == "scan" && ++scans_ended == death.after_scan) ::kill(::getpid(), SIGKILL);
  };
  RebuildRun rebuild(*store.backend, *store.store, *store.index, clock);
  if (!run_task(rebuild.request()) || !store.lease(share(7).storage_index, 'q')) ::_exit(2);
  std::filesystem::create_directory(directory / "leased");  // tells that it was acknowledged
  rebuild_to_the_end(store);
  store.stop();
  ::_exit(0);
}

// True if it was killed.
bool wait_for_end(pid_t pid) {
  int status = 0;
  EXPECT_EQ(::waitpid(pid, &status, 0), pid);
  if (WIFSIGNALED(status)) return true;
  EXPECT_EQ(WEXITSTATUS(status), 0);
  return false;
}

class RebuildKill : public testing::Test {
 protected:
  void SetUp() override {
    for (std::uint64_t n = 0; n < kShares; ++n) {
      write_share_file(directory_ / "storage", share(n), "the data", kEnded);
    }
  }
  pid_t start(Death death = {}) {
    for (const char* name : {"index.sqlite", "index.sqlite-wal", "index.sqlite-shm", "leased"}) {
      std::filesystem::remove(directory_ / name);
    }
    const pid_t pid = ::fork();
    if (pid == 0) child(directory_.path(), death);
    return pid;
  }
  // Another process takes over what the dead one left.
  void look() {
    const bool was_leased = std::filesystem::exists(directory_ / "leased");
    FakeClock clock(kBegin);
    DiskStore store(directory_.path(), clock);
    EXPECT_TRUE(store.index->going_shares(10)->empty());
    rebuild_to_the_end(store);
    const IndexTotals totals = store.index->totals();
    EXPECT_EQ(totals.immutable_shares, kShares);
    EXPECT_EQ(totals.lost_shares, 0u);
    EXPECT_EQ(store.index->recount()->leases, totals.leases);
    EXPECT_EQ(store.index->recount()->immutable_bytes, totals.immutable_bytes);
    const Leases leases = *store.index->leases(share(7));
    const auto acknowledged = std::ranges::count_if(
        leases, [](const Lease& lease) { return lease.expires_at == kBegin + kLeaseSeconds; });
    if (was_leased) {
      EXPECT_EQ(acknowledged, 1);
    }
    EXPECT_EQ(totals.leases, kShares + static_cast<std::uint64_t>(acknowledged));
    for (const std::uint64_t n : {std::uint64_t{0}, kShares / 2, kShares - 1}) {
      EXPECT_EQ(store.content(share(n)), "the data");
    }
    store.stop();
  }

  const TempDir directory_;
};

TEST_F(RebuildKill, AtEveryPageOfTheScan) {
  NEEDS_FORK();
  int killed = 0;
  for (int page = 1;; ++page) {
    SCOPED_TRACE("page " + std::to_string(page));
    if (!wait_for_end(start({page, 0}))) break;
    look();
    ASSERT_TRUE(wait_for_end(start({0, page})));
    look();
    ++killed;
  }
  EXPECT_EQ(killed, 3);
}

TEST_F(RebuildKill, AtAnyMoment) {
  NEEDS_FORK();
  const auto begun = SteadyClock::now();
  ASSERT_FALSE(wait_for_end(start()));
  const auto whole = SteadyClock::now() - begun;
  look();
  constexpr int kMoments = 5;
  for (int moment = 0; moment < kMoments; ++moment) {
    SCOPED_TRACE("moment " + std::to_string(moment));
    const pid_t pid = start();
    // real time: another process works meanwhile
    std::this_thread::sleep_for(whole * (2 * moment + 1) / (2 * kMoments));
    ::kill(pid, SIGKILL);
    wait_for_end(pid);
    look();
  }
}

}  // namespace
}  // namespace sharestore
