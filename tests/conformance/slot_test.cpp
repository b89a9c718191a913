// Mutable slots: sets of changes that apply whole, their layout rules, and snapshots for readers.
#include "tests/conformance/backend_test_base.h"

#include "backends/core/limits.h"

namespace sharestore {
namespace {

class Slot : public BackendConformance {};
INSTANTIATE_TEST_SUITE_P(Backends, Slot, testing::ValuesIn(backend_cases()),
                         [](const auto& test) { return test.param.name; });

TEST_P(Slot, CreatesSharesWithTheEnabler) {
  const auto infos = commit(kIndexA, {writes(5, {{0, "five"}}), writes(2, {{0, "two"}})});
  ASSERT_TRUE(infos) << infos.error().message();
  ASSERT_EQ(infos->size(), 2u);
  EXPECT_EQ((*infos)[0].number, 2u);
  EXPECT_EQ((*infos)[1].number, 5u);
  for (const ShareInfo& info : *infos) {
    EXPECT_EQ(info.kind, ShareKind::mutable_slot);
    EXPECT_EQ(info.enabler_digest, blake2b_256(std::string(32, 'W')));
  }
  EXPECT_EQ((*infos)[0].data_bytes, 3u);
  EXPECT_EQ(content({kIndexA, 2}), "two");
  EXPECT_EQ(content({kIndexA, 5}), "five");
  const auto listed = run_task(backend().list(context(), kIndexA, {}));
  ASSERT_TRUE(listed);
  EXPECT_EQ(*listed, *infos);
}

TEST_P(Slot, ExistingSharesKeepTheirEnabler) {
  ASSERT_TRUE(commit(kIndexA, {writes(0, {{0, "x"}})}, 'W'));
  const auto infos = commit(kIndexA, {writes(0, {{1, "y"}}), writes(1, {{0, "z"}})}, 'V');
  ASSERT_TRUE(infos);
  EXPECT_EQ((*infos)[0].enabler_digest, blake2b_256(std::string(32, 'W')));
  EXPECT_EQ((*infos)[1].enabler_digest, blake2b_256(std::string(32, 'V')));
}

TEST_P(Slot, AppliesWritesInOrderThenTruncates) {
  ASSERT_TRUE(commit(kIndexA, {writes(0, {{0, "aaaaaa"}, {2, "bb"}, {3, "c"}}, 5)}));
  EXPECT_EQ(content({kIndexA, 0}), "aabca");
}

TEST_P(Slot, FillsHolesWithZerosAlsoForEmptyWrites) {
  ASSERT_TRUE(commit(kIndexA, {writes(0, {{4, "x"}})}));
  EXPECT_EQ(content({kIndexA, 0}), std::string("\0\0\0\0x", 5));
  ASSERT_TRUE(commit(kIndexA, {writes(0, {{8, ""}})}));
  EXPECT_EQ(content({kIndexA, 0}), std::string("\0\0\0\0x\0\0\0", 8));
}

TEST_P(Slot, NeverShowsTruncatedBytesAgain) {
  ASSERT_TRUE(commit(kIndexA, {writes(0, {{0, "secret bytes"}})}));
  ASSERT_TRUE(commit(kIndexA, {writes(0, {}, 3)}));
  EXPECT_EQ(content({kIndexA, 0}), "sec");
  ASSERT_TRUE(commit(kIndexA, {writes(0, {{8, "!"}})}));
  EXPECT_EQ(content({kIndexA, 0}), std::string("sec\0\0\0\0\0!", 9));
}

TEST_P(Slot, TruncationNeverExtends) {
  ASSERT_TRUE(commit(kIndexA, {writes(0, {{0, "abc"}}, 100)}));
  EXPECT_EQ(content({kIndexA, 0}), "abc");
}

TEST_P(Slot, ChangesCreatesAndRemovesTogether) {
  ASSERT_TRUE(commit(kIndexA, {writes(0, {{0, "zero"}}), writes(1, {{0, "one"}})}));
  const auto infos =
      commit(kIndexA, {removal(0), writes(1, {{0, "ONE"}}), writes(2, {{0, "two"}})});
  ASSERT_TRUE(infos) << infos.error().message();
  ASSERT_EQ(infos->size(), 2u);
  EXPECT_EQ(content({kIndexA, 0}), "<not_found>");
  EXPECT_EQ(content({kIndexA, 1}), "ONE");
  EXPECT_EQ(content({kIndexA, 2}), "two");
  EXPECT_EQ(numbers(kIndexA), (std::vector<ShareNumber>{1, 2}));
}

TEST_P(Slot, RemovingAMissingShareIsSuccess) {
  EXPECT_TRUE(commit(kIndexA, {removal(7)}));
  ASSERT_TRUE(commit(kIndexA, {writes(0, {{0, "x"}})}));
  EXPECT_TRUE(commit(kIndexA, {removal(0), removal(7)}));
  EXPECT_TRUE(numbers(kIndexA).empty());
  ASSERT_TRUE(commit(kIndexA, {writes(0, {{0, "again"}})}));
  EXPECT_EQ(content({kIndexA, 0}), "again");
}

TEST_P(Slot, AnEmptyChangeCreatesAnEmptyShare) {
  const auto infos = commit(kIndexA, {writes(4, {})});
  ASSERT_TRUE(infos);
  EXPECT_EQ(infos->at(0).data_bytes, 0u);
  EXPECT_EQ(content({kIndexA, 4}), "");
}

TEST_P(Slot, ReadersKeepTheirSnapshot) {
  ASSERT_TRUE(commit(kIndexA, {writes(0, {{0, "before"}})}));
  auto opened = open({kIndexA, 0});
  ASSERT_TRUE(opened);
  reader_ = std::move(*opened);
  ASSERT_TRUE(commit(kIndexA, {writes(0, {{0, "AFTER!"}, {6, " and more"}})}));
  EXPECT_EQ(read(*reader_, 0, 100), "before");
  EXPECT_EQ(content({kIndexA, 0}), "AFTER! and more");
  ASSERT_TRUE(commit(kIndexA, {removal(0)}));
  EXPECT_EQ(read(*reader_, 0, 100), "before");
}

TEST_P(Slot, ReadersOfLargeSharesKeepTheirSnapshotToo) {
  std::string text = pattern_text(3'000'000);
  ASSERT_TRUE(commit(kIndexA, {writes(0, {{0, text}})}));
  auto opened = open({kIndexA, 0});
  ASSERT_TRUE(opened);
  reader_ = std::move(*opened);
  const std::string before = text;
  text.replace(1'500'000, 4096, std::string(4096, 'N'));
  ASSERT_TRUE(commit(kIndexA, {writes(0, {{1'500'000, std::string(4096, 'N')}})}));
  const auto old = run_task(reader_->read(context(), 0, before.size()));
  if (old || backend().traits().keeps_snapshots) {
    ASSERT_TRUE(old);
    EXPECT_TRUE(old->text() == before);
  } else {
    EXPECT_EQ(old.error().code(), Errc::conflict);
  }
  EXPECT_TRUE(content({kIndexA, 0}) == text);
  reader_.reset();
  // Nobody reads now: whatever shortcut there is must give the same bytes.
  text.replace(10, 3, "xyz");
  text.resize(2'500'000);
  text.append("grown");
  ASSERT_TRUE(commit(kIndexA, {writes(0, {{10, "xyz"}}, 2'500'000), writes(1, {{0, "beside"}})}));
  ASSERT_TRUE(commit(kIndexA, {writes(0, {{2'500'000, "grown"}})}));
  EXPECT_TRUE(content({kIndexA, 0}) == text);
  if (persistent()) {
    reopen();
    EXPECT_TRUE(content({kIndexA, 0}) == text);
  }
}

TEST_P(Slot, RefusesToChangeAnImmutableShare) {
  ASSERT_TRUE(upload({kIndexA, 0}, "immutable"));
  const auto infos = commit(kIndexA, {writes(0, {{0, "x"}})});
  ASSERT_FALSE(infos);
  EXPECT_EQ(infos.error().code(), Errc::conflict);
  EXPECT_EQ(content({kIndexA, 0}), "immutable");
}

TEST_P(Slot, ARefusedSetChangesNothing) {
  ASSERT_TRUE(commit(kIndexA, {writes(0, {{0, "keep"}}), writes(1, {{0, "keep too"}})}));
  const auto infos = commit(kIndexA, {writes(0, {{0, "lost"}}), removal(1),
                                      writes(2, {{limits::kMaxMutableShareBytes, "beyond"}})});
  ASSERT_FALSE(infos);
  EXPECT_EQ(infos.error().code(), Errc::too_large);
  EXPECT_TRUE(infos.error().outcome_known());
  EXPECT_EQ(content({kIndexA, 0}), "keep");
  EXPECT_EQ(content({kIndexA, 1}), "keep too");
  EXPECT_EQ(numbers(kIndexA), (std::vector<ShareNumber>{0, 1}));
}

TEST_P(Slot, TwoChangesOfOneShareAreRefused) {
  const auto infos = commit(kIndexA, {writes(0, {{0, "a"}}), writes(0, {{0, "b"}})});
  ASSERT_FALSE(infos);
  EXPECT_EQ(infos.error().code(), Errc::invalid_argument);
}

TEST_P(Slot, SurvivesReopening) {
  if (!persistent()) GTEST_SKIP() << "nothing outlives the process";
  ASSERT_TRUE(commit(kIndexA, {writes(0, {{0, "zero"}}), writes(1, {{0, "one"}})}));
  ASSERT_TRUE(commit(kIndexA, {removal(0), writes(1, {{3, "!"}})}));
  reopen();
  EXPECT_EQ(content({kIndexA, 0}), "<not_found>");
  EXPECT_EQ(content({kIndexA, 1}), "one!");
  const auto listed = run_task(backend().list(context(), kIndexA, {1}));
  ASSERT_TRUE(listed);
  ASSERT_EQ(listed->size(), 1u);
  EXPECT_EQ(listed->at(0).enabler_digest, blake2b_256(std::string(32, 'W')));
  EXPECT_TRUE(world_->journal.intents()->empty());
}

}  // namespace
}  // namespace sharestore
