// kill -9 of a process that removes expired shares, before and after every step: what is leased is
// there, what was begun is completed, index and files agree.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <string>

#include "tests/support/disk_store.h"
#include "tests/support/needs_fork.h"
#include "tests/support/temp_dir.h"

namespace sharestore {
namespace {

const ShareId kImmutable{test_index(1), 0};
const ShareId kBeside{test_index(1), 1};  // of the same storage index, expired too
const ShareId kMutable{test_index(2), 0};
const ShareId kLeased{test_index(3), 0};
const std::vector<ShareId> kExpired = {kImmutable, kBeside, kMutable};

constexpr std::int64_t kBegin = 1'700'000'000;
constexpr std::chrono::hours kLater{32 * 24};

// Uploads, ages and removes; killed by itself at the `step`-th backend call, before or after it.
[[noreturn]] void child(const std::filesystem::path& directory, int step, bool after) {
  FakeClock clock(kBegin);
  DiskStore store(directory, clock);
  store.put(kImmutable, "one");
  store.put(kBeside, "two");
  store.put_mutable(kMutable, "three");
  store.put(kLeased, "four");
  clock.advance(kLater);
  if (!store.lease(kLeased.storage_index, 'q')) _exit(2);
  int calls = 0;
  const auto count = [&calls, step] {
    if (++calls == step) ::kill(::getpid(), SIGKILL);
  };
  if (after) {
    store.hooks->after = [count](std::string_view) { count(); };
  } else {
    store.hooks->before = [count](std::string_view) -> Status {
      count();
      return {};
    };
  }
  for (const ShareId& share : {kImmutable, kBeside, kMutable, kLeased}) {
    auto removed = run_task(
        store.store->remove_if_expired(clock.context(), *store.index, share, store.now() + 1));
    if (!removed || *removed != (share != kLeased)) _exit(3);
  }
  _exit(0);
}

// Completes what the dead process began; then every share is whole or gone, in both places.
void look(const std::filesystem::path& directory) {
  FakeClock clock(kBegin);
  clock.advance(kLater);
  DiskStore store(directory, clock);
  const auto going = store.index->going_shares(10);
  ASSERT_TRUE(going);
  EXPECT_LE(going->size(), 1u) << "one share at a time";
  for (const DueShare& share : *going) {
    ASSERT_TRUE(run_task(store.store->finish_removal(clock.context(), share.share)));
  }
  EXPECT_TRUE(store.index->going_shares(10)->empty());
  EXPECT_EQ(store.content(kLeased), "four");
  std::uint64_t left = 1;
  for (const ShareId& share : kExpired) {
    const bool has_file = std::filesystem::exists(store.file_of(share));
    const bool has_row = store.index->leases(share).has_value();
    EXPECT_EQ(has_file, has_row) << share.to_text();
    left += has_row ? 1 : 0;
  }
  EXPECT_EQ(store.index->totals().immutable_shares + store.index->totals().mutable_shares, left);
  EXPECT_EQ(store.index->recount()->immutable_bytes, store.index->totals().immutable_bytes);
  // And the rest goes as if nothing had happened.
  for (const ShareId& share : kExpired) {
    ASSERT_TRUE(run_task(
        store.store->remove_if_expired(clock.context(), *store.index, share, store.now() + 1)));
    EXPECT_FALSE(std::filesystem::exists(store.file_of(share)));
  }
  EXPECT_EQ(store.index->totals().immutable_shares, 1u);
  store.stop();
}

TEST(ExpiryKill, AtEveryStepNothingUnexpiredGoesAndNothingStaysHalfGone) {
  NEEDS_FORK();
  int killed = 0;
  for (const bool after : {false, true}) {
    for (int step = 1;; ++step) {
      SCOPED_TRACE(std::string(after ? "after" : "before") + " call " + std::to_string(step));
      const TempDir directory;
      const pid_t pid = ::fork();
      ASSERT_GE(pid, 0);
      if (pid == 0) child(directory.path(), step, after);
      int status = 0;
      ASSERT_EQ(::waitpid(pid, &status, 0), pid);
      if (WIFEXITED(status)) {
        ASSERT_EQ(WEXITSTATUS(status), 0);
        break;
      }
      ASSERT_EQ(WTERMSIG(status), SIGKILL);
      ++killed;
      look(directory.path());
    }
  }
  // Leases read and removal of each, before and after.
  EXPECT_GE(killed, 12);
}

}  // namespace
}  // namespace sharestore
