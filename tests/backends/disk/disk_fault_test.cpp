// A disk that runs full or fails at the n-th call, for every n: each operation is refused with
// everything as before, or is done; what was acknowledged is there; nothing is left lying about.
#include <cerrno>
#include <functional>

#include "tests/backends/disk/disk_test_base.h"
#include "tests/support/crash_file_system.h"

namespace sharestore {
namespace {

struct FaultCase {
  std::string name;
  // Brings the store to where the operation starts.
  std::function<void(DiskFixture&)> prepare;
  std::function<Status(DiskFixture&)> run;
  // What can be seen, before and after.
  std::function<std::string(DiskFixture&)> look;
};

void PrintTo(const FaultCase& fault, std::ostream* out) { *out << fault.name; }

const StorageIndex kIndex = test_index(1);
const std::string kLarge = pattern_text(1'500'000);

template <class T>
Status status_of(const Result<T>& result) {
  if (!result) return fail(result.error());
  return {};
}

std::string look_at_slot(DiskFixture& disk) {
  std::string seen;
  for (ShareNumber n = 0; n < 3; ++n) {
    const std::string content = disk.content({kIndex, n});
    const auto leases = run_task(disk.backend->load_leases(disk.context(), {kIndex, n}));
    seen += content.substr(0, 20) + "#" +
            std::to_string(std::hash<std::string>()(content) % 100000) + "+" +
            (leases ? std::to_string(leases->size()) : "-") + " ";
  }
  return seen;
}

void two_shares(DiskFixture& disk) {
  ASSERT_TRUE(disk.commit(kIndex, {disk.change(0, {{0, "zero"}}), disk.change(1, {{0, "one"}})}));
}

std::vector<FaultCase> fault_cases() {
  return {
      {"upload_small", [](DiskFixture&) {},
       [](DiskFixture& disk) { return status_of(disk.upload({kIndex, 0}, "small share")); },
       look_at_slot},
      {"upload_in_pieces", [](DiskFixture&) {},
       [](DiskFixture& disk) {
         return status_of(
             disk.upload({kIndex, 0}, kLarge, {letter_lease('a', 'a', 9).lease}, 500'000));
       },
       look_at_slot},
      {"create_slot", [](DiskFixture&) {},
       [](DiskFixture& disk) {
         return status_of(disk.commit(kIndex, {disk.change(0, {{0, "x"}})}));
       },
       look_at_slot},
      {"change_one", two_shares,
       [](DiskFixture& disk) {
         return status_of(disk.commit(kIndex, {disk.change(0, {{2, "changed"}})}));
       },
       look_at_slot},
      {"change_several", two_shares,
       [](DiskFixture& disk) {
         return status_of(disk.commit(kIndex, {disk.change(0, {{2, "changed"}}), disk.removal(1),
                                               disk.change(2, {{0, "new"}})}));
       },
       look_at_slot},
      {"change_large",
       [](DiskFixture& disk) {
         ASSERT_TRUE(disk.commit(kIndex, {disk.change(0, {{0, kLarge}}), disk.change(1, {})}));
       },
       [](DiskFixture& disk) {
         return status_of(disk.commit(
             kIndex, {disk.change(0, {{0, "LARGE"}, {1'400'000, std::string(200'000, 'n')}}),
                      disk.change(1, {{0, "beside"}})}));
       },
       look_at_slot},
      {"remove", two_shares,
       [](DiskFixture& disk) {
         return run_task(disk.backend->remove(disk.context(), {kIndex, 0}));
       },
       look_at_slot},
      {"quarantine", two_shares,
       [](DiskFixture& disk) {
         return status_of(run_task(disk.backend->quarantine(disk.context(), {kIndex, 0})));
       },
       look_at_slot},
      {"lease_on_large_immutable",
       [](DiskFixture& disk) {
         ASSERT_TRUE(disk.upload({kIndex, 0}, kLarge, {letter_lease('a', 'a', 9).lease}));
       },
       [](DiskFixture& disk) {
         return run_task(
             disk.backend->store_leases(disk.context(), {kIndex, 0}, {letter_lease('b', 'b', 10)}));
       },
       look_at_slot},
      {"put_state",
       [](DiskFixture& disk) {
         ASSERT_TRUE(
             run_task(disk.backend->put_state(disk.context(), "blob", Bytes::copy_of("old"))));
       },
       [](DiskFixture& disk) {
         return run_task(disk.backend->put_state(disk.context(), "blob", Bytes::copy_of("new!")));
       },
       [](DiskFixture& disk) {
         const auto blob = run_task(disk.backend->get_state(disk.context(), "blob"));
         return blob ? std::string(blob->text()) : "none";
       }},
  };
}

class DiskFault
    : public testing::TestWithParam<std::tuple<FaultCase, int, SyncMode, SmallChanges>> {};
INSTANTIATE_TEST_SUITE_P(
    Every, DiskFault,
    testing::Combine(testing::ValuesIn(fault_cases()), testing::Values(ENOSPC, EIO),
                     testing::Values(SyncMode::automatic, SyncMode::sync_files, SyncMode::per_file),
                     testing::Values(SmallChanges::at_once, SmallChanges::logged)),
    [](const auto& test) {
      return std::get<0>(test.param).name + (std::get<1>(test.param) == ENOSPC ? "_full" : "_eio") +
             mode_suffix(std::get<2>(test.param)) + log_suffix(std::get<3>(test.param));
    });

bool changes_something(const std::string& call) {
  return call != "pread" && call != "open" && call != "stat" && call != "stat_open" &&
         call != "list" && call != "space" && call != "remove_directory";
}

TEST_P(DiskFault, AtEveryCall) {
  const FaultCase& fault = std::get<0>(GetParam());
  const int error = std::get<1>(GetParam());
  const SyncMode mode = std::get<2>(GetParam());
  const SmallChanges small = std::get<3>(GetParam());
  constexpr int kMoreCallsThanAny = 400;
  for (int n = 1; n <= kMoreCallsThanAny; ++n) {
    SCOPED_TRACE("call " + std::to_string(n));
    CrashFileSystem files(mode == SyncMode::automatic);
    DiskOptions options;
    options.storage_directory = "/storage";
    options.files = &files;
    options.sync_mode = mode;
    choose(small, options);
    DiskFixture disk(options);
    ASSERT_TRUE(disk.reopen());
    fault.prepare(disk);
    const std::string before = fault.look(disk);

    int calls = 0;
    bool hit = false;
    bool hit_sync = false;
    files.set_fault([&](const std::string& call) {
      if (!changes_something(call) || ++calls != n) return 0;
      hit = true;
      hit_sync = call.starts_with("sync") || call == "finish_write_out";
      return -error;
    });
    const Status done = fault.run(disk);
    // Files that cannot be made now are made later.
    if (done) static_cast<void>(disk.settle(kIndex));
    files.set_fault({});
    if (!hit) {
      ASSERT_TRUE(done) << done.error().message();
      EXPECT_NE(fault.look(disk), before);
      EXPECT_TRUE(disk.backend->health().ok);
      EXPECT_GT(n, 2);
      return;
    }
    std::string seen = fault.look(disk);
    if (!done && done.error().outcome_known() && disk.backend->health().ok) {
      EXPECT_EQ(seen, before);
      if (error == ENOSPC) {
        EXPECT_EQ(done.error().code(), Errc::no_space) << done.error().message();
      }
      for (const std::string& file : files.files()) {
        EXPECT_EQ(file.find("/pending/"), std::string::npos) << file;
        EXPECT_EQ(file.find("/incoming/"), std::string::npos) << file;
      }
      // It works the next time.
      ASSERT_TRUE(fault.run(disk));
      EXPECT_NE(fault.look(disk), before);
      continue;
    }
    if (hit_sync) {
      // A failed sync is final: no more changes, and the operator is told.
      EXPECT_FALSE(disk.backend->health().ok);
      EXPECT_FALSE(disk.upload({test_index(3), 0}, "refused"));
    }
    ASSERT_TRUE(disk.reopen());
    EXPECT_TRUE(disk.backend->health().ok);
    const std::string after = fault.look(disk);
    if (after == before) {
      EXPECT_FALSE(done);
      ASSERT_TRUE(fault.run(disk));
      seen = fault.look(disk);
    }
    EXPECT_NE(fault.look(disk), before);
  }
  FAIL() << "more calls than expected";
}

class DiskFull : public testing::Test {
 protected:
  DiskFull() : disk_(options()) {
    EXPECT_TRUE(disk_.reopen());
    EXPECT_TRUE(disk_.commit(kIndex, {disk_.change(0, {{0, "twelve bytes"}})}));
    EXPECT_TRUE(disk_.upload({test_index(2), 0}, "immutable"));
    // From here on nothing can be allocated; bytes that are there can be written again.
    files_.set_fault([](const std::string& call) {
      return call == "create" || call == "make_directory" ? -ENOSPC : 0;
    });
  }
  DiskOptions options() {
    DiskOptions options;
    options.storage_directory = "/storage";
    options.files = &files_;
    choose(SmallChanges::at_once, options);
    return options;
  }

  CrashFileSystem files_{true};
  DiskFixture disk_;
};

TEST_F(DiskFull, GrowthIsRefusedShrinkingAndDeletionAreNot) {
  const auto grown = disk_.commit(kIndex, {disk_.change(0, {{100, "x"}})});
  ASSERT_FALSE(grown);
  EXPECT_EQ(grown.error().code(), Errc::no_space);
  const auto uploaded = disk_.upload({kIndex, 1}, "new");
  ASSERT_FALSE(uploaded);
  EXPECT_EQ(uploaded.error().code(), Errc::no_space);
  EXPECT_EQ(disk_.content({kIndex, 0}), "twelve bytes");
  EXPECT_TRUE(disk_.backend->health().ok);

  const auto reader = run_task(disk_.backend->open(disk_.context(), {kIndex, 0}));
  ASSERT_TRUE(reader);
  const auto shrunk = disk_.commit(kIndex, {disk_.change(0, {}, 6)});
  ASSERT_TRUE(shrunk) << shrunk.error().message();
  EXPECT_EQ(shrunk->at(0).data_bytes, 6u);
  EXPECT_EQ(disk_.content({kIndex, 0}), "twelve");
  EXPECT_EQ(run_task((*reader)->read(disk_.context(), 0, 100))->text(), "twelve bytes");

  ASSERT_TRUE(disk_.commit(kIndex, {disk_.removal(0)}));
  EXPECT_EQ(disk_.content({kIndex, 0}), "<not_found>");
  ASSERT_TRUE(run_task(disk_.backend->remove(disk_.context(), {test_index(2), 0})));
}

TEST(DiskShortWrites, AreContinued) {
  CrashFileSystem files(true);
  files.set_short_writes(7);
  DiskOptions options;
  options.storage_directory = "/storage";
  options.files = &files;
  DiskFixture disk(options);
  ASSERT_TRUE(disk.reopen());
  const std::string text = pattern_text(3000);
  ASSERT_TRUE(disk.upload({kIndex, 0}, text, {}, 1000));
  EXPECT_EQ(disk.content({kIndex, 0}), text);
  ASSERT_TRUE(disk.commit(test_index(2), {disk.change(0, {{10, text}})}));
  EXPECT_EQ(disk.content({test_index(2), 0}), std::string(10, '\0') + text);
}

TEST(DiskJournalFaults, AChangeThatCannotBeRecordedDoesNotHappen) {
  CrashFileSystem files(true);
  DiskOptions options;
  options.storage_directory = "/storage";
  options.files = &files;
  DiskFixture disk(options);
  ASSERT_TRUE(disk.reopen());
  ASSERT_TRUE(disk.commit(kIndex, {disk.change(0, {{0, "a"}}), disk.change(1, {{0, "b"}})}));
  disk.journal.set_hook([](const char* call) -> Status {
    if (std::string_view(call) == "put_intent") return fail(Errc::no_space, "the index is full");
    return {};
  });
  const auto refused = disk.commit(kIndex, {disk.change(0, {{0, "A"}}), disk.removal(1)});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::no_space);
  EXPECT_TRUE(disk.backend->health().ok);
  EXPECT_EQ(disk.content({kIndex, 0}) + disk.content({kIndex, 1}), "ab");
  disk.journal.set_hook({});
  ASSERT_TRUE(disk.commit(kIndex, {disk.change(0, {{0, "A"}}), disk.removal(1)}));
}

TEST(DiskJournalFaults, AnIntentThatStaysStopsLaterChanges) {
  CrashFileSystem files(true);
  DiskOptions options;
  choose(SmallChanges::at_once, options);
  options.storage_directory = "/storage";
  options.files = &files;
  DiskFixture disk(options);
  ASSERT_TRUE(disk.reopen());
  disk.journal.set_hook([](const char* call) -> Status {
    if (std::string_view(call) == "drop_intent") return fail(Errc::io_error, "the index failed");
    return {};
  });
  ASSERT_TRUE(disk.commit(kIndex, {disk.change(0, {{0, "a"}}), disk.change(1, {{0, "b"}})}));
  EXPECT_FALSE(disk.backend->health().ok);
  EXPECT_FALSE(disk.commit(kIndex, {disk.removal(0)}));
  EXPECT_EQ(disk.content({kIndex, 0}), "a");
  disk.journal.set_hook({});
  ASSERT_TRUE(disk.reopen());
  EXPECT_EQ(disk.content({kIndex, 0}), "a");
  EXPECT_TRUE(disk.journal.intents()->empty());
}

TEST(DiskJournalFaults, IntentsOfAnotherBackendAreLeftAlone) {
  CrashFileSystem files(true);
  DiskOptions options;
  options.storage_directory = "/storage";
  options.files = &files;
  DiskFixture disk(options);
  ASSERT_TRUE(run_task(disk.journal.put_intent(kIndex, "of another backend")));
  ASSERT_TRUE(disk.reopen());
  EXPECT_EQ(disk.journal.intents()->size(), 1u);
}

}  // namespace
}  // namespace sharestore
