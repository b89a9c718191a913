// How many reports of corruption are kept, and what makes room for others.
#include "storage_server/shares/advisories.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/storage_server/shares/share_store_fixture.h"

namespace sharestore {
namespace {

namespace fs = std::filesystem;

class CorruptionReports : public ShareStoreTest {
 protected:
  fs::path folder() const { return directory_.path() / "advisories"; }
  std::size_t files() const { return count_advisories(folder(), 1000).all; }
  // Each at a time of its own, as file names need.
  void report(ShareNumber number) {
    clock_.advance(std::chrono::milliseconds(1));
    ASSERT_TRUE(
        run(store_->advise_corrupt(context(), {kSlotA, number}, ShareKind::immutable, "bad")));
  }
  void put_shares(ShareNumber count) {
    for (ShareNumber number = 0; number < count; ++number) put({kSlotA, number}, "data");
  }
};

TEST_F(CorruptionReports, AreCappedInAllUntilSomeAreRemoved) {
  ShareStoreOptions options;
  options.max_advisories = 3;
  reopen(options);
  put_shares(5);
  for (ShareNumber number = 0; number < 5; ++number) report(number);
  EXPECT_EQ(files(), 3U);
  EXPECT_EQ(index_->totals().advisories, 3U);
  reopen(options);
  report(4);
  EXPECT_EQ(files(), 3U);
  fs::remove_all(folder());
  report(4);
  EXPECT_EQ(files(), 0U);
  clock_.advance(Advisories::kCountEvery);
  report(4);
  EXPECT_EQ(files(), 1U);
}

TEST_F(CorruptionReports, AreCappedPerShareAcrossRestarts) {
  put_shares(2);
  const std::size_t most = ShareStoreOptions().max_advisories_per_share;
  for (std::size_t i = 0; i < most + 3; ++i) report(0);
  EXPECT_EQ(files(), most);
  reopen();
  report(0);
  EXPECT_EQ(files(), most);
  report(1);
  EXPECT_EQ(files(), most + 1);
}

TEST_F(CorruptionReports, AreInTheIndexWhereNoFileCanBeWritten) {
  put_shares(1);
  write_file(folder(), "a file where a folder should be");
  report(0);
  EXPECT_EQ(index_->totals().advisories, 1U);
  EXPECT_EQ(read_file(folder()), "a file where a folder should be");
}

TEST(CountAdvisories, StopsAtTheMostAndTakesAnyName) {
  const TempDir directory;
  EXPECT_EQ(count_advisories(directory / "missing", 10).all, 0U);
  for (const char* name : {"2023-11-14T221320--abc-1", "2023-11-14T221321--abc-1", "notes", "--"}) {
    write_file(directory / name, "");
  }
  const AdvisoryCounts counts = count_advisories(directory.path(), 10);
  EXPECT_EQ(counts.all, 4U);
  EXPECT_EQ(counts.by_share.at("abc-1"), 2U);
  EXPECT_EQ(count_advisories(directory.path(), 2).all, 2U);
}

}  // namespace
}  // namespace sharestore
