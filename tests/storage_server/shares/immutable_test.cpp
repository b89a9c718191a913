#include <filesystem>
#include <fstream>

#include "tests/storage_server/shares/share_store_fixture.h"

namespace sharestore {
namespace {

using Numbers = std::vector<ShareNumber>;
using Ranges = std::vector<ByteRange>;

class ImmutableShares : public ShareStoreTest {};

// W9, W35: in any order, and a share with a gap in it is not one.
TEST_F(ImmutableShares, ArriveInAnyOrderAndAreListedOnlyWhenWhole) {
  const auto outcome = allocate(kSlotA, {1, 2}, 10);
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->allocated, (Numbers{1, 2}));
  EXPECT_TRUE(outcome->already_have.empty());
  auto upload = upload_of({kSlotA, 1});
  ASSERT_TRUE(write(*upload, 6, "6789"));
  EXPECT_EQ(finish(*upload).required, (Ranges{{0, 6}}));
  EXPECT_TRUE(list(kSlotA, kImmutable).empty());
  ASSERT_TRUE(write(*upload, 2, "2345"));
  EXPECT_EQ(finish(*upload).required, (Ranges{{0, 2}}));
  ASSERT_TRUE(write(*upload, 0, "0123"));
  EXPECT_TRUE(finish(*upload).complete);
  EXPECT_EQ(list(kSlotA, kImmutable), Numbers{1});
  EXPECT_TRUE(list(kSlotA, kMutable).empty());
  EXPECT_EQ(content({kSlotA, 1}, kImmutable), "0123456789");
  EXPECT_EQ(content({kSlotA, 1}, kMutable), "<not_found>");
  EXPECT_EQ(content({kSlotA, 2}, kImmutable), "<not_found>");
}

TEST_F(ImmutableShares, DifferingOverlapsConflictAndEqualOnesDoNot) {
  ASSERT_TRUE(allocate(kSlotA, {0}, 10));
  auto upload = upload_of({kSlotA, 0});
  ASSERT_TRUE(write(*upload, 0, "abcdef"));
  ASSERT_TRUE(write(*upload, 3, "defg"));
  const Status differs = write(*upload, 5, "Xgh");
  ASSERT_FALSE(differs);
  EXPECT_EQ(differs.error().code(), Errc::conflict);
  const Status beyond = write(*upload, 8, "xyz");
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().code(), Errc::invalid_argument);
  EXPECT_EQ(finish(*upload).required, (Ranges{{7, 10}}));
}

TEST_F(ImmutableShares, RepeatedAllocateAnswersWhatIsNewOnly) {
  ASSERT_TRUE(allocate(kSlotA, {1, 2, 3}, 4, 'r', 'u'));
  put({kSlotA, 7}, "seven");
  const auto again = allocate(kSlotA, {1, 4, 6, 7}, 4, 's', 'v');
  ASSERT_TRUE(again);
  EXPECT_EQ(again->allocated, (Numbers{4, 6}));
  EXPECT_EQ(again->already_have, Numbers{7});
  // Secrets are per share: the first upload goes on under its own.
  EXPECT_EQ(store_->find_upload({kSlotA, 1}, letter_secret('v')).error().code(),
            Errc::unauthorized);
  EXPECT_TRUE(upload_of({kSlotA, 1}, 'u'));
  EXPECT_TRUE(upload_of({kSlotA, 4}, 'v'));
  // The finished share is leased by whoever asks (both renew secrets now).
  EXPECT_EQ(leases({kSlotA, 7}).size(), 2u);
}

TEST_F(ImmutableShares, TheFirstLeaseLastsThirtyOneDays) {
  put({kSlotA, 0}, "data");
  const Leases held = leases({kSlotA, 0});
  ASSERT_EQ(held.size(), 1u);
  EXPECT_EQ(held[0].expires_at, now() + kLeaseSeconds);
  EXPECT_EQ(held[0].renew_digest, blake2b_256(std::string(32, 'r')));
  EXPECT_EQ(held[0].owner, 0u);
}

// W20: nothing stays of an upload that was given up.
TEST_F(ImmutableShares, AbortFreesTheUploadAndFinishedSharesStay) {
  ASSERT_TRUE(allocate(kSlotA, {0}, 4));
  EXPECT_EQ(run(store_->abort_upload(context(), {kSlotA, 0}, letter_secret('x'))).error().code(),
            Errc::unauthorized);
  ASSERT_TRUE(run(store_->abort_upload(context(), {kSlotA, 0}, letter_secret('u'))));
  EXPECT_EQ(run(store_->abort_upload(context(), {kSlotA, 0}, letter_secret('u'))).error().code(),
            Errc::not_found);
  EXPECT_TRUE(index_->unfinished_uploads()->empty());
  put({kSlotA, 0}, "other");
  EXPECT_EQ(run(store_->abort_upload(context(), {kSlotA, 0}, letter_secret('u'))).error().code(),
            Errc::already_exists);
  EXPECT_EQ(content({kSlotA, 0}, kImmutable), "other");
}

// W10: an upload that nobody goes on with ends.
TEST_F(ImmutableShares, AnUploadWithoutWritesEndsAfterThirtyMinutes) {
  boost::asio::io_context loop;
  ASSERT_TRUE(allocate(kSlotA, {0}, 4));
  auto upload = upload_of({kSlotA, 0});
  clock_.advance(std::chrono::minutes(29));
  ASSERT_TRUE(write(*upload, 0, "ab"));
  boost::asio::co_spawn(loop, store_->run(), [](const std::exception_ptr&) {});
  for (int minute = 0; minute < 29; ++minute) {
    clock_.advance(std::chrono::minutes(1));
    loop.poll();
  }
  EXPECT_TRUE(upload_of({kSlotA, 0}));
  clock_.advance(std::chrono::minutes(1) + std::chrono::seconds(1));
  // The abort's rows are written by the index's own thread.
  while (store_->find_upload({kSlotA, 0}, letter_secret('u'))) loop.run_one();
  EXPECT_EQ(write(*upload, 2, "cd").error().code(), Errc::not_found);
  EXPECT_EQ(allocate(kSlotA, {0}, 4)->allocated, Numbers{0});
  ASSERT_TRUE(run(store_->drain(context())));
  clock_.advance(std::chrono::minutes(1));
  loop.run();
}

TEST_F(ImmutableShares, RoomIsPromisedOnce) {
  const std::uint64_t room = store_->space().available_bytes;
  EXPECT_GT(room, 10u << 20);
  const auto both = allocate(kSlotA, {0, 1}, room / 2 + 1);
  ASSERT_TRUE(both);
  EXPECT_EQ(both->allocated, Numbers{0});
  EXPECT_TRUE(allocate(kSlotB, {0}, room)->allocated.empty());
  ASSERT_TRUE(run(store_->abort_upload(context(), {kSlotA, 0}, letter_secret('u'))));
  EXPECT_EQ(allocate(kSlotB, {0}, room / 2 + 1)->allocated, Numbers{0});
}

TEST_F(ImmutableShares, AQuotaCountsWhatIsKeptAndWhatIsPromised) {
  ShareStoreOptions options;
  options.sizelimit_bytes = 10'000;
  reopen(options);
  put({kSlotA, 0}, std::string(5'000, 'x'));
  EXPECT_LT(store_->space().available_bytes, 5'000u);
  EXPECT_TRUE(allocate(kSlotA, {1}, 5'000)->allocated.empty());
  EXPECT_EQ(allocate(kSlotA, {2}, 2'000)->allocated, Numbers{2});
  EXPECT_TRUE(allocate(kSlotA, {3}, 3'000)->allocated.empty());
  // Renewals, reads and deletions go on over the limit.
  EXPECT_TRUE(run(store_->add_lease(context(), kSlotA, letter_secrets('r', 'c'))));
}

TEST_F(ImmutableShares, AReadonlyNodeAllocatesNothingAndRenews) {
  put({kSlotA, 0}, "data");
  ShareStoreOptions options;
  options.readonly = true;
  reopen(options);
  EXPECT_EQ(store_->space().available_bytes, 0u);
  clock_.advance(std::chrono::hours(1));
  const auto outcome = allocate(kSlotA, {0, 1}, 4);
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->already_have, Numbers{0});
  EXPECT_TRUE(outcome->allocated.empty());
  EXPECT_EQ(leases({kSlotA, 0})[0].expires_at, now() + kLeaseSeconds);
  EXPECT_TRUE(run(store_->add_lease(context(), kSlotA, letter_secrets('r', 'c'))));
  const Status added = run(store_->add_lease(context(), kSlotA, letter_secrets('n', 'c')));
  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().code(), Errc::no_space);
}

TEST_F(ImmutableShares, LeasesAreRenewedBySecretOrAdded) {
  EXPECT_EQ(run(store_->add_lease(context(), kSlotA, letter_secrets('r', 'c'))).error().code(),
            Errc::not_found);
  put({kSlotA, 0}, "data");
  clock_.advance(std::chrono::seconds(167));
  ASSERT_TRUE(run(store_->add_lease(context(), kSlotA, letter_secrets('r', 'c'))));
  ASSERT_TRUE(run(store_->add_lease(context(), kSlotA, letter_secrets('s', 'c'))));
  const Leases held = leases({kSlotA, 0});
  ASSERT_EQ(held.size(), 2u);
  EXPECT_EQ(held[0].expires_at, now() + kLeaseSeconds);
  EXPECT_EQ(held[1].owner, 1u);
  clock_.jump_utc(-std::chrono::hours(48));
  ASSERT_TRUE(run(store_->add_lease(context(), kSlotA, letter_secrets('r', 'c'))));
  EXPECT_EQ(leases({kSlotA, 0})[0].expires_at, held[0].expires_at) << "renewals never shorten";
}

TEST_F(ImmutableShares, ReportsOfCorruptionAreKeptAsTheReferenceWritesThem) {
  EXPECT_EQ(run(store_->advise_corrupt(context(), {kSlotA, 0}, kImmutable, "?")).error().code(),
            Errc::not_found);
  put({kSlotA, 0}, "data");
  ASSERT_TRUE(run(store_->advise_corrupt(context(), {kSlotA, 0}, kImmutable, "b\u1235d")));
  const auto file =
      directory_.path() / "advisories" / ("2023-11-14T221320--" + kSlotA.to_text() + "-0");
  std::ifstream in(file);
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  EXPECT_EQ(text, "report: Share Corruption\ntype: immutable\nstorage_index: " + kSlotA.to_text() +
                      "\nshare_number: 0\n\nb\u1235d\n\n");
  EXPECT_EQ(index_->totals().advisories, 1u);
  for (int i = 0; i < 40; ++i) {
    clock_.advance(std::chrono::seconds(1));
    ASSERT_TRUE(run(store_->advise_corrupt(context(), {kSlotA, 0}, kImmutable, "again")));
  }
  EXPECT_EQ(index_->totals().advisories, ShareStoreOptions().max_advisories_per_share);
}

TEST_F(ImmutableShares, AnUnfinishedUploadIsGoneAfterARestart) {
  ASSERT_TRUE(allocate(kSlotA, {0, 1}, 4));
  auto upload = upload_of({kSlotA, 0});
  ASSERT_TRUE(write(*upload, 0, "ab"));
  upload.reset();
  reopen();
  EXPECT_EQ(store_->find_upload({kSlotA, 0}, letter_secret('u')).error().code(), Errc::not_found);
  EXPECT_TRUE(index_->unfinished_uploads()->empty());
  EXPECT_EQ(allocate(kSlotA, {0, 1}, 4)->allocated, (Numbers{0, 1}));
}

TEST_F(ImmutableShares, AShareWhoseRowWasNotWrittenBeforeTheCrashIsFoundAtStart) {
  // The backend has committed, the index still calls it an upload.
  ASSERT_TRUE(run(index_->begin_uploads(kSlotA, {0}, 4, now())));
  auto writer = run(backend_->create_immutable(context(), {{kSlotA, 0}, 4}));
  ASSERT_TRUE(writer);
  ASSERT_TRUE(run((*writer)->write(context(), 0, Bytes::copy_of("data"))));
  ASSERT_TRUE(run((*writer)->commit(context(), {})));
  reopen();
  EXPECT_EQ(list(kSlotA, kImmutable), Numbers{0});
  EXPECT_EQ(content({kSlotA, 0}, kImmutable), "data");
  EXPECT_EQ(leases({kSlotA, 0}).size(), 1u) << "a starter lease";
}

TEST_F(ImmutableShares, AShareTheStoreNoLongerHasIsUnavailableAndThenLost) {
  put({kSlotA, 0}, "data");
  reopen();  // without readers at hand
  ASSERT_TRUE(run(backend_->remove(context(), {kSlotA, 0})));
  EXPECT_EQ(content({kSlotA, 0}, kImmutable), "<unavailable>");
  clock_.advance(std::chrono::seconds(29));
  EXPECT_EQ(content({kSlotA, 0}, kImmutable), "<unavailable>");
  EXPECT_EQ(list(kSlotA, kImmutable), Numbers{0});
  clock_.advance(std::chrono::seconds(2));
  EXPECT_EQ(content({kSlotA, 0}, kImmutable), "<not_found>");
  EXPECT_TRUE(list(kSlotA, kImmutable).empty());
  EXPECT_EQ(index_->totals().lost_shares, 1u);
  put({kSlotA, 0}, "again");
  EXPECT_EQ(content({kSlotA, 0}, kImmutable), "again");
  EXPECT_EQ(index_->totals().lost_shares, 0u);
}

TEST_F(ImmutableShares, ADrainingNodeTakesNoNewUploads) {
  ASSERT_TRUE(allocate(kSlotA, {0}, 4));
  ASSERT_TRUE(run(store_->drain(context())));
  EXPECT_EQ(allocate(kSlotA, {1}, 4).error().code(), Errc::busy);
  EXPECT_EQ(store_->find_upload({kSlotA, 0}, letter_secret('u')).error().code(), Errc::not_found);
}

}  // namespace
}  // namespace sharestore
