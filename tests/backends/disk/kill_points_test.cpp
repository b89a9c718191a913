// A mutable write that is ended before each of its steps, by a kill (what was written stays) and by
// a power cut (what was not synced may go): every share is as before or as after, all of them
// alike, and what was acknowledged is there. A failure names the step.
#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <functional>
#include <mutex>
#include <random>

#include "tests/backends/disk/disk_test_base.h"
#include "tests/support/crash_file_system.h"

namespace sharestore {
namespace {

const StorageIndex kIndex = test_index(1);
constexpr std::size_t kLargeBytes = 1'500'000;

struct WriteCase {
  std::string name;
  std::function<void(DiskFixture&)> prepare;
  std::function<std::vector<ShareChange>()> changes;
  // Steps without which it cannot be what it claims.
  std::vector<std::string> must_have;
};

void PrintTo(const WriteCase& write, std::ostream* out) { *out << write.name; }

void two_shares(DiskFixture& disk) {
  ASSERT_TRUE(disk.commit(kIndex, {disk.change(0, {{0, "zero"}}), disk.change(1, {{0, "one"}})}));
}

void one_large(DiskFixture& disk) {
  ASSERT_TRUE(disk.commit(kIndex, {disk.change(0, {{0, pattern_text(kLargeBytes)}})}));
}

std::vector<WriteCase> write_cases() {
  using Disk = DiskFixture;
  return {
      {"create_one",
       [](Disk&) {},
       [] { return std::vector{Disk::change(0, {{0, "new"}})}; },
       {"pwrite", "rename"}},
      {"change_one",
       two_shares,
       [] {
         return std::vector{
             Disk::change(0, {{2, "changed"}}, std::nullopt, {letter_lease('a', 'b', 100)})};
       },
       {"pwrite", "rename"}},
      {"change_create_and_remove",
       two_shares,
       [] {
         return std::vector{Disk::change(0, {{2, "changed"}}), Disk::removal(1),
                            Disk::change(2, {{0, "new"}})};
       },
       {"put_intent", "rename", "unlink", "drop_intent"}},
      {"patch_one_large",
       one_large,
       [] {
         return std::vector{
             Disk::change(0, {{0, "FIRST"}, {kLargeBytes - 100, std::string(5000, 'n')}})};
       },
       {"put_intent", "pwrite", "drop_intent"}},
      {"remove_all",
       two_shares,
       [] { return std::vector{Disk::removal(0), Disk::removal(1)}; },
       {"put_intent", "unlink", "drop_intent"}},
  };
}

// Everything that can be seen of the slot.
std::string look(DiskFixture& disk) {
  std::string seen;
  for (ShareNumber n = 0; n < 3; ++n) {
    const std::string content = disk.content({kIndex, n});
    const auto leases = run_task(disk.backend->load_leases(disk.context(), {kIndex, n}));
    seen += content.substr(0, 20) + "#" + std::to_string(std::hash<std::string>()(content)) + "+" +
            (leases ? std::to_string(leases->size()) : "-") + " ";
  }
  return seen;
}

bool changes_something(const std::string& call) {
  static const std::vector<std::string> kReading = {"pread",     "open", "stat",
                                                    "stat_open", "list", "space"};
  return std::ranges::find(kReading, call) == kReading.end();
}

// A store whose process can be ended before a step: from there on nothing happens any more.
class Mortal {
 public:
  Mortal(SyncMode mode, SmallChanges small)
      : files_(mode == SyncMode::automatic), disk(options(mode, small)) {}

  void end_before(std::size_t step) {
    steps_.clear();
    files_.set_fault([this, step](const std::string& call) {
      return changes_something(call) ? take(call, step) : ended_ ? -EIO : 0;
    });
    disk.journal.set_hook([this, step](const char* call) -> Status {
      if (take(call, step) != 0) return fail(Errc::io_error, "the process has ended");
      return {};
    });
  }
  bool ended() const { return ended_; }
  const std::vector<std::string>& steps() const { return steps_; }

  // What another process finds; `random`: after a power cut.
  Status begin_anew(std::mt19937_64* random) {
    disk.backend.reset();
    files_.set_fault({});
    disk.journal.set_hook({});
    ended_ = false;
    if (random != nullptr) files_.crash(*random);
    return disk.reopen();
  }
  std::vector<std::string> left_over() {
    std::vector<std::string> names;
    for (const std::string& file : files_.files()) {
      if (file.contains("/pending/") || file.contains("/incoming/")) names.push_back(file);
    }
    return names;
  }

 private:
  DiskOptions options(SyncMode mode, SmallChanges small) {
    DiskOptions options;
    options.storage_directory = "/storage";
    options.files = &files_;
    options.sync_mode = mode;
    choose(small, options);
    return options;
  }
  int take(const std::string& call, std::size_t step) {
    const std::lock_guard lock(mutex_);
    if (!ended_) steps_.push_back(call);
    ended_ = ended_ || steps_.size() == step;
    return ended_ ? -EIO : 0;
  }

  CrashFileSystem files_;
  // The pool's threads take steps too.
  std::mutex mutex_;
  std::atomic<bool> ended_ = false;
  std::vector<std::string> steps_;

 public:
  DiskFixture disk;
};

class KillPoints
    : public testing::TestWithParam<std::tuple<WriteCase, bool, SyncMode, SmallChanges>> {};
INSTANTIATE_TEST_SUITE_P(
    Every, KillPoints,
    testing::Combine(testing::ValuesIn(write_cases()), testing::Bool(),
                     testing::Values(SyncMode::automatic, SyncMode::sync_files, SyncMode::per_file),
                     testing::Values(SmallChanges::at_once, SmallChanges::logged)),
    [](const auto& test) {
      return std::get<0>(test.param).name + (std::get<1>(test.param) ? "_power_cut" : "_kill") +
             mode_suffix(std::get<2>(test.param)) + log_suffix(std::get<3>(test.param));
    });

TEST_P(KillPoints, OfEveryStep) {
  const auto& [write, power_cut, mode, small] = GetParam();
  constexpr std::size_t kMoreStepsThanAny = 400;
  std::string after;
  for (std::size_t step = 1; step <= kMoreStepsThanAny; ++step) {
    std::mt19937_64 random(step);
    Mortal mortal(mode, small);
    ASSERT_TRUE(mortal.disk.reopen());
    write.prepare(mortal.disk);
    const std::string before = look(mortal.disk);
    mortal.end_before(step);
    const bool done = mortal.disk.commit(kIndex, write.changes()).has_value();
    if (done) static_cast<void>(mortal.disk.settle(kIndex));
    const bool ended = mortal.ended();
    const std::vector<std::string> steps = mortal.steps();
    SCOPED_TRACE("ended before step " + std::to_string(step) + ", " + steps.back());
    ASSERT_TRUE(mortal.begin_anew(power_cut ? &random : nullptr));
    const std::string seen = look(mortal.disk);
    EXPECT_TRUE(mortal.disk.journal.intents()->empty());
    EXPECT_THAT(mortal.left_over(), testing::IsEmpty());
    if (!ended) {
      ASSERT_TRUE(done);
      EXPECT_NE(seen, before);
      for (const std::string& name : write.must_have) {
        EXPECT_THAT(steps, testing::Contains(name));
      }
      return;
    }
    if (done) {
      EXPECT_NE(seen, before) << "acknowledged and lost";
    }
    if (after.empty()) {
      Mortal whole(mode, small);
      ASSERT_TRUE(whole.disk.reopen());
      write.prepare(whole.disk);
      ASSERT_TRUE(whole.disk.commit(kIndex, write.changes()));
      after = look(whole.disk);
    }
    EXPECT_TRUE(seen == before || seen == after) << seen;
    ASSERT_TRUE(mortal.disk.commit(kIndex, {DiskFixture::change(0, {{0, "next"}})}));
    EXPECT_THAT(mortal.disk.content({kIndex, 0}), testing::StartsWith("next"));
  }
  FAIL() << "more steps than expected";
}

}  // namespace
}  // namespace sharestore
