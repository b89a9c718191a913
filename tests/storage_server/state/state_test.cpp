// What a bucket remembers of leases when the node's disk is lost (W24: a lost database means lost
// leases; W4: shares of unknown lease get one).
#include "tests/storage_server/state/state_fixture.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace sharestore {
namespace {

const ShareId kFirst = share_id(1, 0);
const ShareId kSecond = share_id(2, 10);

TEST_F(StateTest, W24_LeasesOutliveTheIndex) {
  add_share(kFirst, 2'000'000'000);
  add_share(kSecond, 2'000'000'100, 200'000);
  round();
  renew(kFirst, 2'000'500'000);
  round();
  const Leases before = leases(kFirst);
  lose_index();
  EXPECT_FALSE(row(kFirst));
  rebuild();
  EXPECT_EQ(leases(kFirst), before);
  EXPECT_EQ(lease_end(kFirst), 2'000'500'000);
  EXPECT_EQ(lease_end(kSecond), 2'000'000'100);
  EXPECT_EQ(leases(kSecond).size(), 1u) << "no starter lease beside a known one";
  // The header was known, so nobody has to read it.
  ASSERT_TRUE(row(kSecond));
  EXPECT_EQ(row(kSecond)->state, ShareState::present);
  EXPECT_EQ(row(kSecond)->info.data_bytes, 200'000u);
  EXPECT_EQ(index_->totals().immutable_shares, 2u);
  EXPECT_GT(index_->rebuilt_at(), 0);
}

TEST_F(StateTest, W4_AShareOfUnknownLeaseGetsAStarterLease) {
  add_share(kFirst, 2'000'000'000);
  lose_index();
  rebuild();
  ASSERT_EQ(leases(kFirst).size(), 1u);
  EXPECT_EQ(leases(kFirst)[0].expires_at, kStarter);
  EXPECT_EQ(row(kFirst)->state, ShareState::unread);
  EXPECT_GT(row(kFirst)->info.stored_bytes, 100u);
}

TEST_F(StateTest, ARemovedShareStaysRemoved) {
  add_share(kFirst, 2'000'000'000);
  add_share(kSecond, 2'000'000'000);
  round();
  remove_share(kFirst);
  round();
  lose_index();
  must(run(index_->begin_rebuild(kStarter)));
  restore();
  EXPECT_FALSE(row(kFirst));
  EXPECT_TRUE(row(kSecond));
  EXPECT_TRUE(index_->find(kSecond.storage_index)->doubtful) << "told, not seen";
  scan();
  EXPECT_FALSE(row(kFirst));
  EXPECT_FALSE(index_->find(kSecond.storage_index)->doubtful);
}

TEST_F(StateTest, AShareRemovedAndPutAgainIsThere) {
  add_share(kFirst, 2'000'000'000);
  round();
  remove_share(kFirst);
  add_share(kFirst, 2'000'000'900);
  round();
  lose_index();
  rebuild();
  EXPECT_EQ(lease_end(kFirst), 2'000'000'900);
}

TEST_F(StateTest, ARequestDuringTheRebuildKeepsWhatItLearnt) {
  add_share(kFirst, 2'000'000'000);
  round();
  lose_index();
  must(run(index_->begin_rebuild(kStarter)));
  // The request came first: the slot was settled from the store, without leases, and renewed.
  auto found = run(backend_->list(clock_.context(), kFirst.storage_index, {}));
  ASSERT_TRUE(found);
  must(run(index_->settle_slot(kFirst.storage_index, *found, {{}}, kStarter, now())));
  renew(kFirst, 2'100'000'000);
  restore();
  scan();
  EXPECT_EQ(lease_end(kFirst), 2'100'000'000) << "what was told is older and never shortens";
}

TEST_F(StateTest, ARebuildGoesOnWhereItStopped) {
  for (std::uint64_t i = 0; i < 5; ++i) {
    add_share(share_id(i), 2'000'000'000 + static_cast<std::int64_t>(i));
    round();
    clock_.advance(kStateInterval);
  }
  lose_index();
  must(run(index_->begin_rebuild(kStarter)));
  std::size_t read = 0;
  faults_->set_plain([&read](const ContainerCall& call) -> Status {
    if (call.name == "get" && !call.after && ++read == 3) return fail(Errc::unavailable, "down");
    return {};
  });
  EXPECT_FALSE(run(restore_state(*backend_, *index_, clock_, stopping_)));
  die();
  start();
  faults_->forget_calls();
  restore();
  EXPECT_EQ(faults_->count("get"), 3u) << "the blobs that were left";
  scan();
  for (std::uint64_t i = 0; i < 5; ++i) {
    EXPECT_EQ(lease_end(share_id(i)), 2'000'000'000 + static_cast<std::int64_t>(i));
  }
}

TEST_F(StateTest, ARenewalDuringABatchIsInTheNext) {
  add_share(kFirst, 2'000'000'000);
  bool renewed = false;
  faults_->set_plain([&](const ContainerCall& call) -> Status {
    if (call.name == "put" && !std::exchange(renewed, true)) renew(kFirst, 2'000'777'000);
    return {};
  });
  round();
  faults_->clear();
  round();
  lose_index();
  rebuild();
  EXPECT_EQ(lease_end(kFirst), 2'000'777'000);
}

TEST_F(StateTest, NothingChangedNothingWritten) {
  add_share(kFirst, 2'000'000'000);
  round();
  const auto names = state_names();
  EXPECT_EQ(names.size(), 1u);
  for (int i = 0; i < 3; ++i) round();
  EXPECT_EQ(state_names(), names);
}

TEST_F(StateTest, AStoreThatIsDownIsToldLater) {
  add_share(kFirst, 2'000'000'000);
  faults_->set_plain([](const ContainerCall&) { return fail(Errc::unavailable, "down"); });
  EXPECT_FALSE(run(keeper_->round()));
  faults_->clear();
  round();
  lose_index();
  rebuild();
  EXPECT_EQ(lease_end(kFirst), 2'000'000'000);
}

TEST_F(StateTest, ASnapshotReplacesWhatIsBeforeTheLastOne) {
  std::vector<std::string> first_batches;
  for (int i = 0; i < 3; ++i) {
    add_share(share_id(static_cast<std::uint64_t>(i)), 2'000'000'000 + i);
    round();
  }
  first_batches = state_names();
  ASSERT_EQ(first_batches.size(), 3u);
  must(run(keeper_->write_snapshot()));
  EXPECT_EQ(state_names().size(), 5u) << "the only snapshot replaces nothing yet";
  renew(share_id(0), 2'000'001'000);
  round();
  must(run(keeper_->write_snapshot()));
  const auto left = state_names();
  for (const std::string& name : first_batches) {
    EXPECT_TRUE(std::ranges::find(left, name) == left.end()) << name;
  }
  EXPECT_EQ(left.size(), 5u) << "two snapshots, each with its end, and the batch between them";
  lose_index();
  rebuild();
  EXPECT_EQ(lease_end(share_id(0)), 2'000'001'000);
  EXPECT_EQ(lease_end(share_id(2)), 2'000'000'002);
}

TEST_F(StateTest, ASnapshotOfManySharesIsInParts) {
  // Rows only: objects of so many shares would be in the way.
  constexpr std::uint64_t kShares = 8000;
  for (std::uint64_t i = 0; i < kShares; i += 200) {
    for (std::uint64_t j = i; j < i + 200; ++j) {
      must(run(index_->finish_upload(share_id(j), immutable_info(0), client_lease(1, 2'000'000'000),
                                     now())));
    }
  }
  must(run(keeper_->flush()));
  must(run(keeper_->write_snapshot()));
  std::size_t parts = 0;
  std::uint64_t records = 0;
  for (const std::string& text : state_names()) {
    const auto name = StateName::from_text(text);
    ASSERT_TRUE(name);
    if (name->kind != StateKind::snapshot_part) continue;
    EXPECT_EQ(name->part, parts++);
    auto blob = run(backend_->get_state(clock_.context(), text));
    ASSERT_TRUE(blob);
    EXPECT_LE(blob->size(), kStateBlobBytes + 256 * 1024);
    auto reader = StateReader::open(*name, *blob);
    ASSERT_TRUE(reader) << reader.error().message();
    while (reader->next()->has_value()) ++records;
  }
  EXPECT_GE(parts, 2u);
  EXPECT_EQ(records, kShares);
}

TEST_F(StateTest, ADamagedSnapshotIsMadeUpForByTheOneBefore) {
  add_share(kFirst, 2'000'000'000);
  round();
  must(run(keeper_->write_snapshot()));
  renew(kFirst, 2'000'001'000);
  round();
  must(run(keeper_->write_snapshot()));
  std::string newest;
  for (const std::string& name : state_names()) {
    if (name.ends_with("-000000")) newest = name;
  }
  must(run(backend_->put_state(clock_.context(), newest, Bytes::copy_of("rubbish"))));
  lose_index();
  rebuild();
  EXPECT_EQ(lease_end(kFirst), 2'000'001'000);
}

TEST_F(StateTest, ANewerFormatStopsTheRestore) {
  add_share(kFirst, 2'000'000'000);
  round();
  const std::string name = state_names().at(0);
  std::string blob(run(backend_->get_state(clock_.context(), name))->text());
  blob[19] = 9;
  must(run(backend_->put_state(clock_.context(), name, Bytes::copy_of(blob))));
  lose_index();
  must(run(index_->begin_rebuild(kStarter)));
  const Status restored = run(restore_state(*backend_, *index_, clock_, stopping_));
  ASSERT_FALSE(restored);
  EXPECT_EQ(restored.error().code(), Errc::unsupported);
}

TEST_F(StateTest, NoSnapshotWhileTheIndexIsRebuilt) {
  must(run(index_->begin_rebuild(kStarter)));
  const Status written = run(keeper_->write_snapshot());
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code(), Errc::conflict);
}

TEST_F(StateTest, TheClockSetBackDoesNotWriteOverABatch) {
  add_share(kFirst, 2'000'000'000);
  round();
  clock_.jump_utc(-std::chrono::hours(24));
  die();
  start();
  add_share(kSecond, 2'000'000'100);
  round();
  EXPECT_EQ(state_names().size(), 2u);
  lose_index();
  rebuild();
  EXPECT_EQ(lease_end(kFirst), 2'000'000'000);
  EXPECT_EQ(lease_end(kSecond), 2'000'000'100);
}

// What a node does in a few minutes; ends early where the store has "died". `told` is what the last
// round that went through has written down: the end of each share's lease.
std::map<ShareId, std::int64_t> script(StateKeeper& keeper, FullIndex& index,
                                       const std::vector<ShareId>& shares) {
  std::map<ShareId, std::int64_t> ends;
  std::map<ShareId, std::int64_t> told;
  const auto renew_all = [&](std::int64_t until) {
    for (const ShareId& share : shares) {
      EXPECT_TRUE(run_task(
          index.add_or_renew(share.storage_index, {share.number}, client_lease(1, until))));
      ends[share] = until;
    }
  };
  for (int minute = 0; minute < 3; ++minute) {
    renew_all(2'000'000'000 + minute * 1000);
    if (!run_task(keeper.round())) return told;
    told = ends;
    if (!run_task(keeper.write_snapshot())) return told;
  }
  return told;
}

// The node dies at each of its store requests, before it and after it, and its disk is lost.
TEST_F(StateTest, KilledAtEveryRequestNoShareIsLostAndNoLeaseThatWasTold) {
  const std::vector<ShareId> shares = {share_id(1, 1), share_id(1, 10), share_id(2, 0)};
  for (std::size_t step = 0;; ++step) {
    ASSERT_LT(step, 200u);
    lose_index();
    container_ = make_memory_container({}, clock_);
    lose_index();
    for (const ShareId& share : shares) add_share(share, 1'900'000'000);
    round();
    std::size_t seen = 0;
    bool dead = false;
    faults_->set_plain([&](const ContainerCall&) -> Status {
      dead = dead || seen++ == step;
      if (dead) return fail(Errc::unavailable, "killed", false);
      return {};
    });
    const auto told = script(*keeper_, *index_, shares);
    const bool survived = !dead;
    lose_index();
    rebuild();
    for (const ShareId& share : shares) {
      ASSERT_TRUE(row(share)) << step;
      const auto end = told.find(share);
      EXPECT_GE(lease_end(share), end == told.end() ? 1'900'000'000 : end->second) << step;
    }
    // And what the next run of the node does goes on from there.
    round();
    must(run(keeper_->write_snapshot()));
    if (survived) break;
  }
}

}  // namespace
}  // namespace sharestore
