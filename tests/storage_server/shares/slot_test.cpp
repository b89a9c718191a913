#include "backends/core/limits.h"
#include "tests/storage_server/shares/share_store_fixture.h"

namespace sharestore {
namespace {

using Numbers = std::vector<ShareNumber>;

class MutableSlots : public ShareStoreTest {
 protected:
  std::string read_all(ShareNumber number) { return content({kSlotA, number}, kMutable); }
};

TEST_F(MutableSlots, ReadsComeBeforeWrites) {
  ReadTestWrite request = writes(0, {{0, "abc"}});
  request.reads = {{0, 8}};
  auto outcome = read_test_write(kSlotA, request);
  ASSERT_TRUE(outcome);
  EXPECT_TRUE(outcome->success);
  EXPECT_TRUE(outcome->data.empty());
  request.shares[0].writes = {{1, text_source("XYZ")}};
  outcome = read_test_write(kSlotA, request);
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->data.at(0).at(0).text(), "abc");
  EXPECT_EQ(read_all(0), "aXYZ");
  EXPECT_EQ(list(kSlotA, kMutable), Numbers{0});
}

TEST_F(MutableSlots, AFailedTestInAnyShareWritesNothingAndStillReads) {
  ASSERT_TRUE(read_test_write(kSlotA, writes(0, {{0, "1111111"}})));
  ReadTestWrite request = writes(0, {{0, "no"}});
  request.shares[1].writes = {{0, text_source("no")}};
  request.shares[1].tests = {{0, 1, text_source("x")}};
  request.reads = {{5, 10}};
  const auto outcome = read_test_write(kSlotA, request);
  ASSERT_TRUE(outcome);
  EXPECT_FALSE(outcome->success);
  EXPECT_EQ(outcome->data.at(0).at(0).text(), "11");
  EXPECT_EQ(read_all(0), "1111111");
  EXPECT_EQ(list(kSlotA, kMutable), Numbers{0});
}

TEST_F(MutableSlots, TestsClipAtTheEndAndMissingSharesAreEmpty) {
  ReadTestWrite create = writes(0, {{0, "1111111"}});
  create.shares[0].tests = {{0, 1, text_source("")}};
  EXPECT_TRUE(read_test_write(kSlotA, create)->success);
  EXPECT_FALSE(read_test_write(kSlotA, create)->success);
  ReadTestWrite past_end = writes(0, {{0, "2"}});
  past_end.shares[0].tests = {{0, 10, text_source("1111111")}, {7, 3, text_source("")}};
  EXPECT_TRUE(read_test_write(kSlotA, past_end)->success);
}

TEST_F(MutableSlots, TheWriteEnablerGuardsReadsToo) {
  ASSERT_TRUE(read_test_write(kSlotA, writes(0, {{0, "mine"}}), 'W'));
  ReadTestWrite reads;
  reads.reads = {{0, 4}};
  EXPECT_EQ(read_test_write(kSlotA, reads, 'X').error().code(), Errc::unauthorized);
  EXPECT_EQ(read_test_write(kSlotA, writes(1, {{0, "x"}}), 'X').error().code(), Errc::unauthorized);
  EXPECT_EQ(read_all(0), "mine");
  EXPECT_EQ(list(kSlotA, kMutable), Numbers{0});
}

TEST_F(MutableSlots, AShortEnablerNeverMatchesItself) {
  const auto attempt = [this] {
    return run(store_->read_test_write(context(), kSlotA, Secret("short"), letter_secrets('r', 'c'),
                                       writes(0, {{0, "x"}})));
  };
  EXPECT_TRUE(attempt());
  EXPECT_EQ(attempt().error().code(), Errc::unauthorized);
}

TEST_F(MutableSlots, HolesReadAsZeroAlsoAfterTruncation) {
  ASSERT_TRUE(read_test_write(kSlotA, writes(0, {{4, "data"}})));
  EXPECT_EQ(read_all(0), std::string(4, '\0') + "data");
  ASSERT_TRUE(read_test_write(kSlotA, writes(0, {}, 5)));
  EXPECT_EQ(read_all(0), std::string(4, '\0') + "d");
  ASSERT_TRUE(read_test_write(kSlotA, writes(0, {{7, "!"}})));
  EXPECT_EQ(read_all(0), std::string(4, '\0') + "d" + std::string(2, '\0') + "!");
  ASSERT_TRUE(read_test_write(kSlotA, writes(0, {}, 100)));
  EXPECT_EQ(read_all(0).size(), 8u) << "a new length never enlarges";
  ASSERT_TRUE(read_test_write(kSlotA, writes(0, {{10, ""}})));
  EXPECT_EQ(read_all(0).size(), 10u) << "an empty write past the end extends";
}

TEST_F(MutableSlots, NewLengthZeroDeletes) {
  ASSERT_TRUE(read_test_write(kSlotA, writes(0, {{0, "zero"}})));
  ASSERT_TRUE(read_test_write(kSlotA, writes(1, {{0, "one"}})));
  ASSERT_TRUE(read_test_write(kSlotA, writes(0, {{0, "ignored"}}, 0)));
  EXPECT_EQ(list(kSlotA, kMutable), Numbers{1});
  EXPECT_TRUE(read_test_write(kSlotA, writes(5, {}, 0))->success) << "a missing one is fine";
  ASSERT_TRUE(read_test_write(kSlotA, writes(1, {}, 0)));
  EXPECT_TRUE(list(kSlotA, kMutable).empty());
  // The slot is free again, for any enabler.
  EXPECT_TRUE(read_test_write(kSlotA, writes(0, {{0, "new"}}), 'Z'));
}

TEST_F(MutableSlots, LeasesGoToTheSharesNamed) {
  ReadTestWrite both = writes(0, {{0, "zero"}});
  both.shares[1].writes = {{0, text_source("one")}};
  ASSERT_TRUE(read_test_write(kSlotA, both));
  EXPECT_EQ(leases({kSlotA, 0}).size(), 1u);
  clock_.advance(std::chrono::hours(1));
  ASSERT_TRUE(read_test_write(kSlotA, writes(0, {{0, "Z"}}), 'W', 's'));
  EXPECT_EQ(leases({kSlotA, 0}).size(), 2u);
  EXPECT_EQ(leases({kSlotA, 1}).size(), 1u);
  ReadTestWrite reads;
  reads.reads = {{0, 1}};
  ASSERT_TRUE(read_test_write(kSlotA, reads, 'W', 't'));
  EXPECT_EQ(leases({kSlotA, 0}).size(), 2u) << "no vectors, no lease";
  clock_.advance(std::chrono::hours(1));
  ASSERT_TRUE(read_test_write(kSlotA, writes(0, {}), 'W', 's'));
  EXPECT_EQ(leases({kSlotA, 0})[1].expires_at, now() + kLeaseSeconds);
}

TEST_F(MutableSlots, AVectorWithoutWritesCreatesAnEmptyShare) {
  ASSERT_TRUE(read_test_write(kSlotA, writes(3, {})));
  EXPECT_EQ(list(kSlotA, kMutable), Numbers{3});
  EXPECT_EQ(read_all(3), "");
}

TEST_F(MutableSlots, KindsDoNotMix) {
  put({kSlotA, 0}, "immutable");
  EXPECT_EQ(read_test_write(kSlotA, writes(1, {{0, "x"}})).error().code(), Errc::invalid_argument);
  ASSERT_TRUE(read_test_write(kSlotB, writes(0, {{0, "x"}})));
  EXPECT_EQ(allocate(kSlotB, {1}, 4).error().code(), Errc::invalid_argument);
}

TEST_F(MutableSlots, OffsetsBeyondTheLargestShareAreRefused) {
  const auto far = read_test_write(kSlotA, writes(0, {{limits::kMaxMutableShareBytes, "x"}}));
  ASSERT_FALSE(far);
  EXPECT_EQ(far.error().code(), Errc::too_large);
  const auto wraps = read_test_write(kSlotA, writes(0, {{~std::uint64_t{0}, "x"}}));
  ASSERT_FALSE(wraps);
  EXPECT_EQ(wraps.error().code(), Errc::too_large);
  EXPECT_TRUE(list(kSlotA, kMutable).empty());
}

TEST_F(MutableSlots, AReadonlyNodeChecksTheEnablerThenTestsThenRefusesWrites) {
  ASSERT_TRUE(read_test_write(kSlotA, writes(0, {{0, "data"}})));
  ShareStoreOptions options;
  options.readonly = true;
  reopen(options);
  EXPECT_EQ(read_test_write(kSlotA, writes(0, {{0, "x"}}), 'X').error().code(), Errc::unauthorized);
  ReadTestWrite failing = writes(0, {{0, "x"}});
  failing.shares[0].tests = {{0, 1, text_source("?")}};
  EXPECT_FALSE(read_test_write(kSlotA, failing)->success);
  ReadTestWrite reads;
  reads.reads = {{0, 4}};
  EXPECT_EQ(read_test_write(kSlotA, reads)->data.at(0).at(0).text(), "data");
  EXPECT_EQ(read_test_write(kSlotA, writes(0, {{0, "x"}})).error().code(), Errc::forbidden);
  EXPECT_EQ(read_test_write(kSlotA, writes(0, {}, 0)).error().code(), Errc::forbidden);
  EXPECT_EQ(read_all(0), "data");
}

TEST_F(MutableSlots, GrowthNeedsRoomAndShrinkingDoesNot) {
  ShareStoreOptions options;
  options.sizelimit_bytes = 2'000;
  reopen(options);
  ASSERT_TRUE(read_test_write(kSlotA, writes(0, {{0, std::string(1'000, 'x')}})));
  EXPECT_EQ(read_test_write(kSlotA, writes(0, {{1'000, std::string(1'500, 'y')}})).error().code(),
            Errc::no_space);
  EXPECT_EQ(read_all(0), std::string(1'000, 'x'));
  EXPECT_TRUE(read_test_write(kSlotA, writes(0, {{0, "z"}}))->success);
  EXPECT_TRUE(read_test_write(kSlotA, writes(0, {}, 10))->success);
  EXPECT_TRUE(read_test_write(kSlotA, writes(0, {}, 0))->success);
}

TEST_F(MutableSlots, AnswersAreBounded) {
  ASSERT_TRUE(read_test_write(kSlotA, writes(0, {{0, std::string(4 << 20, 'x')}})));
  ReadTestWrite reads;
  reads.reads.assign(8, {0, 4 << 20});
  const auto outcome = read_test_write(kSlotA, reads);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code(), Errc::too_large);
}

TEST_F(MutableSlots, ASlotLeftInDoubtIsSettledByAskingTheBackend) {
  ASSERT_TRUE(read_test_write(kSlotA, writes(0, {{0, "old"}})));
  // As after a crash between the backend's change and the index's row.
  ASSERT_TRUE(run(index_->begin_slot_writes({kSlotA})));
  SlotCommit commit{kSlotA, letter_secret('W'), {}};
  ShareChange change;
  change.number = 1;
  change.writes = {{0, text_source("new share")}};
  commit.changes.push_back(change);
  ASSERT_TRUE(run(backend_->commit_slot(context(), commit)));
  reopen();
  EXPECT_EQ(list(kSlotA, kMutable), (Numbers{0, 1}));
  EXPECT_EQ(read_all(1), "new share");
  EXPECT_EQ(leases({kSlotA, 0}).size(), 1u);
  EXPECT_FALSE(index_->find(kSlotA)->doubtful);
}

TEST_F(MutableSlots, ALostShareIsMadeAgainOnlyWithItsEnabler) {
  ASSERT_TRUE(read_test_write(kSlotA, writes(0, {{0, "data"}})));
  ASSERT_TRUE(run(index_->set_state({kSlotA, 0}, ShareState::lost)));
  ASSERT_TRUE(run(backend_->remove(context(), {kSlotA, 0})));
  reopen();
  EXPECT_TRUE(list(kSlotA, kMutable).empty());
  EXPECT_EQ(read_test_write(kSlotA, writes(0, {{0, "thief"}}), 'X').error().code(),
            Errc::unauthorized);
  ASSERT_TRUE(read_test_write(kSlotA, writes(0, {{0, "repaired"}}), 'W'));
  EXPECT_EQ(read_all(0), "repaired");
}

}  // namespace
}  // namespace sharestore
