// An expired share against everything that may happen to it at the same moment. The numbers are
// those of the weak points that the ancestor of this node had (W17, W22, W23).
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <thread>

#include "tests/storage_server/shares/share_store_fixture.h"

namespace sharestore {
namespace {

using Numbers = std::vector<ShareNumber>;
constexpr std::int64_t kDay = 86400;
const ShareId kShare{kSlotA, 0};

class ExpiryRaces : public HookedStoreTest {
 protected:
  void all_leases_end() { clock_.advance(std::chrono::hours(32 * 24)); }
  Task<bool> removal(ShareId share) {
    return store_->remove_if_expired(context(), *index_, share, now() + 1);
  }
  bool remove(ShareId share) {
    auto removed = run(removal(share));
    EXPECT_TRUE(removed) << removed.error().message();
    return removed && *removed;
  }
  Task<void> leasing(ShareId share, char renew) {
    return store_->add_lease(context(), share.storage_index, letter_secrets(renew, 'c'));
  }
  void fail_removals(bool failing) {
    hooks_->before = [failing](std::string_view call) -> Status {
      if (failing && call == "remove") return fail(Errc::unavailable, "the store is down");
      return {};
    };
  }
  ShareState state(ShareId share) { return index_->find(share.storage_index)->shares.at(0).state; }
  // Runs both to their ends on one loop, the first one begun first.
  template <class A, class B>
  std::pair<Result<A>, Result<B>> together(Task<A> first, Task<B> second) {
    std::optional<Result<A>> a;
    std::optional<Result<B>> b;
    boost::asio::io_context loop;
    boost::asio::co_spawn(loop, test_detail::store_result(std::move(first), &a),
                          [](const std::exception_ptr&) {});
    boost::asio::co_spawn(loop, test_detail::store_result(std::move(second), &b),
                          [](const std::exception_ptr&) {});
    loop.run();
    return {std::move(*a), std::move(*b)};
  }

  // In each round one share whose lease has ended, removed while two clients lease it: what they
  // are told must agree. `kept`: the leases of a share that stays.
  void race_with_removal(std::array<char, 2> secrets, std::size_t kept) {
    constexpr int kRounds = 200;
    for (int round = 0; round < kRounds; ++round) {
      const ShareId share{test_index(100 + round), 0};
      put(share, "data");
      all_leases_end();
      std::optional<Result<bool>> removed;
      std::array<std::optional<Status>, 2> leased;
      std::atomic<int> ready{0};
      const auto begin = [&ready] {
        ++ready;
        while (ready < 3) std::this_thread::yield();
      };
      std::thread expiry([&] {
        begin();
        removed = run(removal(share));
      });
      std::vector<std::thread> clients;
      for (std::size_t i = 0; i < leased.size(); ++i) {
        clients.emplace_back([&, i] {
          begin();
          leased[i] = run(leasing(share, secrets[i]));
        });
      }
      expiry.join();
      for (auto& client : clients) client.join();
      ASSERT_TRUE(*removed);
      for (const auto& status : leased) {
        // A lease that was answered holds; one that came too late was told so.
        ASSERT_EQ(status->has_value(), !**removed);
        if (!*status) {
          ASSERT_EQ(status->error().code(), Errc::not_found);
        }
      }
      if (**removed) {
        ASSERT_EQ(content(share, kImmutable), "<not_found>");
      } else {
        ASSERT_EQ(content(share, kImmutable), "data");
        ASSERT_EQ(leases(share).size(), kept);
        ASSERT_GT(leases(share).at(0).expires_at, secrets[0] == 'r' ? now() : 0);
      }
    }
  }
};

TEST_F(ExpiryRaces, AnExpiredShareGoesWithItsBytesAndLeases) {
  put(kShare, "data");
  EXPECT_FALSE(remove(kShare)) << "its lease runs";
  EXPECT_EQ(content(kShare, kImmutable), "data");
  all_leases_end();
  EXPECT_TRUE(remove(kShare));
  EXPECT_EQ(content(kShare, kImmutable), "<not_found>");
  EXPECT_TRUE(run(backend_->list(context(), kSlotA, {0}))->empty());
  EXPECT_EQ(index_->totals().immutable_shares, 0u);
  EXPECT_FALSE(remove(kShare)) << "there is nothing to remove";
}

TEST_F(ExpiryRaces, W17_AReuploadOfAShareHeldKeepsIt) {
  put(kShare, "data");
  clock_.advance(std::chrono::hours(30 * 24));
  EXPECT_EQ(allocate(kSlotA, {0}, 4)->already_have, Numbers{0});
  clock_.advance(std::chrono::hours(2 * 24));
  EXPECT_FALSE(remove(kShare));
  EXPECT_EQ(leases(kShare).at(0).expires_at, now() + 29 * kDay);
  all_leases_end();
  const auto [removed, held] = together(
      removal(kShare),
      store_->allocate(context(), kSlotA, {0}, 4, letter_secrets('q', 'c'), letter_secret('u')));
  ASSERT_TRUE(removed && held);
  // Whoever comes first: the client is never told that a share is held which then goes.
  EXPECT_EQ(held->already_have.empty(), *removed);
  EXPECT_EQ(held->allocated.empty(), !*removed);
}

TEST_F(ExpiryRaces, W22_AMutableShareHalfRemovedIsMadeAnewNotWrittenOver) {
  ASSERT_TRUE(read_test_write(kSlotA, writes(0, {{0, "old content"}}), 'W')->success);
  all_leases_end();
  fail_removals(true);
  EXPECT_EQ(run(removal(kShare)).error().code(), Errc::unavailable);
  EXPECT_EQ(state(kShare), ShareState::going);
  EXPECT_EQ(content(kShare, kMutable), "<not_found>");
  EXPECT_EQ(run(leasing(kShare, 'q')).error().code(), Errc::not_found);
  const auto refused = read_test_write(kSlotA, writes(0, {{4, "new"}}), 'V');
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::unavailable) << "never over the old bytes";
  fail_removals(false);
  ASSERT_TRUE(read_test_write(kSlotA, writes(0, {{4, "new"}}), 'V')->success);
  EXPECT_EQ(content(kShare, kMutable), std::string(4, '\0') + "new");
  ASSERT_TRUE(run(store_->finish_removal(context(), kShare)));
  EXPECT_EQ(content(kShare, kMutable), std::string(4, '\0') + "new") << "the new one stays";
  EXPECT_EQ(leases(kShare).size(), 1u) << "and has only its own lease";
}

TEST_F(ExpiryRaces, W22_AnImmutableShareHalfRemovedIsAllocatedAnew) {
  put(kShare, "old");
  all_leases_end();
  fail_removals(true);
  EXPECT_FALSE(run(removal(kShare)));
  EXPECT_FALSE(allocate(kSlotA, {0}, 4)) << "neither held nor allocated";
  fail_removals(false);
  put(kShare, "newer");
  EXPECT_EQ(content(kShare, kImmutable), "newer");
}

TEST_F(ExpiryRaces, W23_ALeaseBetweenTheLookAndTheRemovalKeepsTheShare) {
  put(kShare, "data");
  all_leases_end();
  DueQuery query;
  query.before = now() + 1;
  ASSERT_EQ(run(index_->due_leases(query))->shares.size(), 1u);
  ASSERT_TRUE(run(leasing(kShare, 'q')));
  EXPECT_FALSE(remove(kShare));
  EXPECT_EQ(content(kShare, kImmutable), "data");
}

TEST_F(ExpiryRaces, W23_TwoLeasesAndARemovalAgreeOnTheOutcome) { race_with_removal({'p', 'q'}, 3); }

TEST_F(ExpiryRaces, W23_TwoRenewalsAndARemovalAgreeOnTheOutcome) {
  race_with_removal({'r', 'r'}, 1);
}

TEST_F(ExpiryRaces, ARenewalDoesNotReachAShareThatIsBeingRemoved) {
  put(kShare, "data");
  all_leases_end();
  fail_removals(true);
  EXPECT_FALSE(run(removal(kShare)));
  const Leases ended = leases(kShare);
  const Status while_going = run(leasing(kShare, 'r'));
  ASSERT_FALSE(while_going);
  EXPECT_EQ(while_going.error().code(), Errc::not_found);
  EXPECT_EQ(leases(kShare), ended);
  fail_removals(false);
  ASSERT_TRUE(run(store_->finish_removal(context(), kShare)));
  EXPECT_FALSE(run(leasing(kShare, 'r')));
}

TEST_F(ExpiryRaces, AShareBeingReadStaysUntilTheReaderHasGone) {
  put(kShare, "data");
  auto reader = run(store_->open(context(), kShare, kImmutable));
  ASSERT_TRUE(reader);
  all_leases_end();
  EXPECT_FALSE(remove(kShare));
  EXPECT_EQ(run((*reader)->read(context(), 0, 9))->text(), "data");
  reader->reset();
  EXPECT_TRUE(remove(kShare)) << "a reader at hand, used by nobody, does not hold it up";
  EXPECT_EQ(store_->try_open(kShare, kImmutable), nullptr);
}

TEST_F(ExpiryRaces, AReaderThatIsNoLongerAtHandCountsToo) {
  ShareStoreOptions options;
  options.max_open_readers = 1;
  reopen(options);
  put(kShare, "data");
  put({kSlotB, 0}, "other");
  auto reader = run(store_->open(context(), kShare, kImmutable));
  ASSERT_EQ(content({kSlotB, 0}, kImmutable), "other");
  ASSERT_EQ(store_->try_open(kShare, kImmutable), nullptr) << "it was pushed out";
  all_leases_end();
  EXPECT_FALSE(remove(kShare));
  reader->reset();
  EXPECT_TRUE(remove(kShare));
}

TEST_F(ExpiryRaces, AShareOpenedWhileItGoesIsReadOrNotFoundNeverHalf) {
  put(kShare, "data");
  all_leases_end();
  hooks_->before = [this](std::string_view call) -> Status {
    if (call == "remove") EXPECT_EQ(store_->try_open(kShare, kImmutable), nullptr);
    return {};
  };
  const auto [removed, reader] =
      together(removal(kShare), store_->open(context(), kShare, kImmutable));
  ASSERT_TRUE(removed);
  if (*removed) {
    EXPECT_EQ(reader.error().code(), Errc::not_found);
  } else {
    ASSERT_TRUE(reader);
    EXPECT_EQ(run((*reader)->read(context(), 0, 9))->text(), "data");
  }
}

TEST_F(ExpiryRaces, ALeaseOnAShareBeingUploadedWaitsForIt) {
  ASSERT_TRUE(allocate(kSlotA, {0}, 4));
  EXPECT_EQ(run(leasing(kShare, 'q')).error().code(), Errc::not_found);
  EXPECT_FALSE(remove(kShare));
  all_leases_end();
  EXPECT_EQ(allocate(kSlotA, {0}, 4)->allocated, Numbers{0});
  auto upload = upload_of(kShare);
  ASSERT_TRUE(write(*upload, 0, "data"));
  EXPECT_FALSE(remove(kShare));
  const auto [removed, progress] = together(removal(kShare), upload->finish_write(context()));
  ASSERT_TRUE(progress && removed);
  EXPECT_TRUE(progress->complete);
  EXPECT_FALSE(*removed);
  EXPECT_EQ(content(kShare, kImmutable), "data");
}

TEST_F(ExpiryRaces, AShareOfASlotWhoseWriteIsOpenIsLookedAtFirst) {
  ASSERT_TRUE(read_test_write(kSlotA, writes(0, {{0, "one"}}))->success);
  all_leases_end();
  // What a crash leaves in the middle of a mutable write.
  ASSERT_TRUE(run(index_->begin_slot_writes({kSlotA})));
  int lists = 0;
  hooks_->before = [&lists](std::string_view call) -> Status {
    if (call == "list") ++lists;
    return {};
  };
  EXPECT_TRUE(remove(kShare));
  EXPECT_EQ(lists, 1);
}

TEST_F(ExpiryRaces, WhatAPersonTakesOutIsKeptInQuarantine) {
  put(kShare, "data");
  put({kSlotA, 1}, "more");
  EXPECT_EQ(run(store_->take_out(context(), kSlotB, std::nullopt)).error().code(), Errc::not_found);
  const auto one = run(store_->take_out(context(), kSlotA, 1));
  ASSERT_TRUE(one);
  ASSERT_EQ(one->size(), 1u);
  EXPECT_EQ(one->at(0).number, 1u);
  EXPECT_FALSE(one->at(0).place.empty());
  EXPECT_EQ(list(kSlotA, kImmutable), Numbers{0});
  EXPECT_EQ(run(store_->take_out(context(), kSlotA, std::nullopt))->size(), 1u);
  EXPECT_TRUE(list(kSlotA, kImmutable).empty());
  EXPECT_EQ(index_->totals().immutable_bytes, 0u);
  put(kShare, "again");
}

}  // namespace
}  // namespace sharestore
