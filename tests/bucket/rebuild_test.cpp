// The index of a bucket's node lost, and found again from the listing and from `state/`.
#include "backends/core/digest.h"
#include "tests/bucket/bucket_fixture.h"

namespace sharestore {
namespace {

// A store whose listings lag: they show nothing that was put within the last hour.
class LaggingContainer final : public SharedContainer {
 public:
  LaggingContainer(std::shared_ptr<ObjectContainer> inner, Clock& clock)
      : SharedContainer(std::move(inner)), clock_(clock) {}

  Task<ObjectPage> list(OpContext context, std::string prefix, std::string after,
                        std::size_t limit) override {
    const bool is_state = prefix.ends_with("state/");
    auto page = co_await inner_->list(context, std::move(prefix), std::move(after), limit);
    if (!page || is_state) co_return page;
    const std::int64_t before = unix_seconds(clock_.utc_now()) - 3600;
    std::erase_if(page->objects,
                  [before](const ObjectInfo& object) { return object.modified_at > before; });
    co_return page;
  }

 private:
  Clock& clock_;
};

class BucketRebuild : public BucketTest {
 protected:
  void SetUp() override { rebuild(); }
};

TEST_F(BucketRebuild, W24_TheNodesDiskIsLostAndEveryShareReads) {
  must(put(kOne, "immutable"));
  must(write(kSlot.storage_index, {{1, "one"}, {10, "ten"}}));
  must(run(keeper_->round()));
  const Leases leases = *index_->leases(kOne);
  const IndexTotals totals = index_->totals();
  lose_disk();
  // Served at once: what the rebuild has not come to is asked of the store.
  EXPECT_EQ(content(kOne, kImmutable), "immutable");
  EXPECT_EQ(list(kSlot.storage_index, kMutable), "1 10 ");
  restart();
  rebuild();
  EXPECT_EQ(content(kOne, kImmutable), "immutable");
  EXPECT_EQ(content(kSlot, kMutable), "ten");
  EXPECT_EQ(write(kSlot.storage_index, {{10, "x"}}, 'X').error().code(), Errc::unauthorized);
  EXPECT_EQ(index_->totals().immutable_bytes, totals.immutable_bytes);
  EXPECT_EQ(index_->totals().mutable_bytes, totals.mutable_bytes);
  const Leases now_known = *index_->leases(kOne);
  for (const Lease& lease : leases) {
    EXPECT_TRUE(std::ranges::find(now_known, lease) != now_known.end());
  }
}

TEST_F(BucketRebuild, W18_WithoutTheIndexLeasesAreRenewedAndSlotsWritten) {
  must(put(kOne, "immutable"));
  must(write(kSlot.storage_index, {{10, "old"}}));
  lose_disk();
  for (const bool was_rebuilt : {false, true}) {
    if (was_rebuilt) rebuild();
    clock_.advance(std::chrono::hours(1));
    EXPECT_TRUE(run(store_->add_lease(context(), kOne.storage_index, letter_secrets('r', 'c'))));
    EXPECT_TRUE(write(kSlot.storage_index, {{10, was_rebuilt ? "newest" : "newer"}}));
    EXPECT_EQ(content(kSlot, kMutable), was_rebuilt ? "newest" : "newer");
    // Those of the client's own secret: what has no known lease gets one from the node besides.
    const Digest secret = blake2b_256(std::string(32, 'r'));
    for (const ShareId& share : {kOne, kSlot}) {
      const auto leases = index_->leases(share);
      ASSERT_TRUE(leases) << share.to_text();
      EXPECT_TRUE(std::ranges::any_of(*leases, [&](const Lease& lease) {
        return lease.renew_digest == secret && lease.expires_at == now() + kLeaseSeconds;
      })) << share.to_text();
    }
  }
}

TEST_F(BucketRebuild, W5_WhatIsDamagedOrStrangeEndsNoRebuild) {
  must(put(kOne, "immutable"));
  must(write(kSlot.storage_index, {{10, "mutable"}}));
  // Of the same prefix and the same storage index, and of others before and behind.
  std::vector<ShareId> damaged = {{kOne.storage_index, 0}, {kOne.storage_index, 2}};
  for (std::uint64_t i = 100; i < 140; ++i) damaged.push_back({test_index(i), 0});
  for (std::size_t i = 0; i < damaged.size(); ++i) {
    put_object(damaged[i], std::string(i % 3 * 300, 'x'));
  }
  ASSERT_TRUE(run(container_->put(context(), keys_.shares_of(kOne.storage_index) + "1.bak",
                                  text_source("strange"), {})));
  for (int round = 0; round < 2; ++round) {
    lose_disk();
    rebuild();
    EXPECT_FALSE(*index_->rebuild_state()) << "it is complete";
    EXPECT_EQ(content(kOne, kImmutable), "immutable");
    EXPECT_EQ(content(kSlot, kMutable), "mutable");
    EXPECT_EQ(index_->leases(kOne)->size(), 1u);
    EXPECT_EQ(index_->leases(kSlot)->size(), 1u);
  }
  for (const ShareId& share : damaged) EXPECT_EQ(content(share, kImmutable), "<not_found>");
}

TEST_F(BucketRebuild, W4_SharesThatNobodyToldOfAreLeasedAndTheirHeadersReadAtLeisure) {
  must(put(kOne, "immutable"));
  must(write(kSlot.storage_index, {{10, "mutable"}}));
  lose_disk();
  rebuild();
  EXPECT_EQ(state(kOne), ShareState::present);
  EXPECT_EQ(state(kSlot), ShareState::present);
  for (const ShareId& share : {kOne, kSlot}) {
    const auto leases = index_->leases(share);
    ASSERT_TRUE(leases);
    ASSERT_EQ(leases->size(), 1u);
    EXPECT_NEAR(static_cast<double>((*leases)[0].expires_at - now()),
                static_cast<double>(kStarterLeaseSeconds), 3600.0);
  }
  EXPECT_EQ(index_->totals().mutable_shares, 1u) << "the header says which kind it is";
}

TEST_F(BucketRebuild, W45_WhatTheListingLacksIsAskedForByName) {
  must(put(kOne, "listed"));
  clock_.advance(std::chrono::hours(2));
  const ShareId fresh{test_index(3), 7};
  const ShareId gone{test_index(4), 0};
  must(put(fresh, "not listed yet"));
  must(put(gone, "gone"));
  must(run(keeper_->round()));
  container_ = std::make_shared<LaggingContainer>(container_, clock_);
  remove_object(gone);
  lose_disk();
  rebuild();
  EXPECT_EQ(list(kOne.storage_index, kImmutable), "1 ");
  EXPECT_EQ(content(fresh, kImmutable), "not listed yet");
  EXPECT_EQ(list(fresh.storage_index, kImmutable), "7 ");
  EXPECT_EQ(list(gone.storage_index, kImmutable), "");
  EXPECT_EQ(index_->totals().immutable_shares, 2u);
}

TEST_F(BucketRebuild, ForADayAMissAsksTheStoreByName) {
  const ShareId hidden{test_index(3), 7};
  must(put(hidden, "neither listed nor told of"));
  container_ = std::make_shared<LaggingContainer>(container_, clock_);
  lose_disk();
  rebuild();
  ASSERT_FALSE(state(hidden)) << "nothing could tell of it";
  EXPECT_EQ(content(hidden, kImmutable), "neither listed nor told of");
  EXPECT_EQ(state(hidden), ShareState::present);
  // An allocate of it finds it too, and puts nothing over it.
  lose_disk();
  rebuild();
  const auto again = allocate(hidden, 26);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->already_have, std::vector<ShareNumber>{7});
  // After a day the index is believed, and a miss costs nothing.
  lose_disk();
  rebuild();
  clock_.advance(std::chrono::hours(24) + std::chrono::seconds(1));
  faults_->forget_calls();
  EXPECT_EQ(content({test_index(99), 0}, kImmutable), "<not_found>");
  EXPECT_EQ(list(test_index(99), kImmutable), "");
  // The owner is looked at now and then, whoever asks for what.
  for (const std::string& call : faults_->calls()) EXPECT_TRUE(call.ends_with("owner")) << call;
}

TEST_F(BucketRebuild, NothingListsWhileTheIndexIsBelieved) {
  must(put(kOne, "immutable"));
  must(write(kSlot.storage_index, {{10, "mutable"}}));
  clock_.advance(std::chrono::hours(25));
  faults_->forget_calls();
  EXPECT_EQ(content(kOne, kImmutable), "immutable");
  must(put({test_index(30), 0}, "another"));
  must(write(kSlot.storage_index, {{10, "changed"}}));
  EXPECT_EQ(list(kSlot.storage_index, kMutable), "10 ");
  EXPECT_EQ(list(test_index(31), kMutable), "");
  EXPECT_EQ(faults_->count("list"), 0u) << "W6";
}

TEST_F(BucketRebuild, AStoreThatIsDownOnlyDelaysIt) {
  must(put(kOne, "immutable"));
  must(run(keeper_->round()));
  lose_disk();
  std::atomic<std::size_t> calls = 0;
  faults_->set_plain([&calls](const ContainerCall& call) -> Status {
    // Every second answer is lost, for a while.
    if (!call.after && ++calls < 30 && calls % 2 == 0) return fail(Errc::unavailable, "down");
    return {};
  });
  rebuild();
  faults_->clear();  // the rebuild may have needed fewer than all of the answers that get lost
  EXPECT_EQ(content(kOne, kImmutable), "immutable");
  EXPECT_EQ(index_->totals().immutable_shares, 1u);
}

// W42: where a scan was is either known or begun anew, never half written.
TEST_F(BucketRebuild, ACrashInItsMiddleGoesOn) {
  for (std::uint64_t i = 0; i < 20; ++i) must(put({test_index(i), i}, pattern_text(100 + i)));
  must(run(keeper_->round()));
  for (std::size_t step = 1; step < 12; ++step) {
    lose_disk();
    std::atomic<std::size_t> calls = 0;
    faults_->set_plain([&](const ContainerCall&) -> Status {
      if (++calls >= step) {
        stopping_ = true;
        return fail(Errc::unavailable, "killed");
      }
      return {};
    });
    rebuild();
    stopping_ = false;
    kill();
    start();
    rebuild();
    EXPECT_EQ(index_->totals().immutable_shares, 20u) << step;
    for (std::uint64_t i = 0; i < 20; ++i) {
      const auto leases = index_->leases({test_index(i), i});
      ASSERT_TRUE(leases) << step;
      EXPECT_EQ(leases->size(), 1u) << step << ": " << i;
    }
  }
}

TEST_F(BucketRebuild, SharesOfTheOlderLayoutAreServed) {
  // As the earlier Python node left it: chunks of 512 KiB, and a length of 0 in the header.
  constexpr std::size_t kChunk = 512 * 1024;
  const std::string data = pattern_text(3 * kChunk - 100);
  const std::string file = std::string("\0\0\0\1\0\0\0\0\0\0\0\0", 12) + data;
  const std::string key = keys_.share(kOne);
  put_object(kOne, file.substr(0, kChunk));
  for (std::size_t chunk = 1; chunk * kChunk < file.size(); ++chunk) {
    ASSERT_TRUE(run(container_->put(context(), key + "." + std::to_string(chunk),
                                    text_source(file.substr(chunk * kChunk, kChunk)), {})));
  }
  const ShareId ten{kOne.storage_index, 10};
  put_object(ten, std::string("\0\0\0\1\0\0\0\0\0\0\0\0", 12) + "small");
  lose_disk();
  rebuild();
  EXPECT_EQ(list(kOne.storage_index, kImmutable), "1 10 ");
  EXPECT_EQ(content(kOne, kImmutable), data);
  EXPECT_EQ(content(ten, kImmutable), "small");
  EXPECT_EQ(index_->totals().immutable_bytes, file.size() + 17);
}

}  // namespace
}  // namespace sharestore
