// Random operations against a model of a few lines, with crashes and merges in between; then many
// coroutines on several threads.
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <cstdlib>
#include <map>
#include <random>
#include <thread>

#include "tests/storage_server/index/index_fixture.h"

namespace sharestore {
namespace {

struct ModelShare {
  ShareInfo info;
  ShareState state = ShareState::present;
  std::map<std::uint64_t, std::int64_t> leases;  // client -> end

  bool due(std::int64_t before) const {
    return listed() && !leases.empty() && std::ranges::all_of(leases, [before](const auto& lease) {
             return lease.second < before;
           });
  }
  bool listed() const { return state == ShareState::present || state == ShareState::unread; }
};
using Model = std::map<ShareId, ModelShare>;

class IndexModelTest : public IndexTest, public ::testing::WithParamInterface<KeptOutside> {
 protected:
  IndexModelTest() { kept_outside_ = GetParam(); }

  std::uint64_t pick(std::uint64_t count) { return random_() % count; }
  ShareId any_share() { return share_id(pick(5), pick(3)); }
  std::int64_t any_end() { return static_cast<std::int64_t>(1000 + pick(100'000)); }

  void lease(ModelShare& share, std::uint64_t client, std::int64_t end, LeaseOutcome& outcome) {
    const auto [known, is_new] = share.leases.try_emplace(client, end);
    known->second = std::max(known->second, end);
    ++(is_new ? outcome.added : outcome.renewed);
  }
  // A renewal in the log speaks of a storage index and a secret: a share that is removed and made
  // again may find its lease extended by it. No lease ends later than any that was ever given.
  void remember(const StorageIndex& si, std::uint64_t client, std::int64_t end) {
    std::int64_t& latest = latest_[{si, client}];
    latest = std::max(latest, end);
  }
  bool may_be_longer(const ShareId& id, std::int64_t before) {
    return std::ranges::any_of(model_[id].leases, [&](const auto& lease) {
      return latest_[{id.storage_index, lease.first}] >= before;
    });
  }
  std::vector<ShareId> of(const StorageIndex& si) {
    std::vector<ShareId> ids;
    for (const auto& [id, share] : model_) {
      if (id.storage_index == si) ids.push_back(id);
    }
    return ids;
  }

  void upload() {
    const ShareId id = any_share();
    const std::uint64_t client = pick(3);
    const std::int64_t end = any_end();
    must(index_->begin_uploads(id.storage_index, {id.number}, 10, 1));
    const ShareInfo info = immutable_info(id.number, pick(5000));
    must(index_->finish_upload(id, info, client_lease(client, end), 1));
    ModelShare& share = model_[id];
    if (share.state == ShareState::going) share.leases.clear();
    share.info = info;
    share.state = ShareState::present;
    LeaseOutcome ignored;
    lease(share, client, end, ignored);
    remember(id.storage_index, client, end);
  }
  void renew() {
    const StorageIndex si = test_index(pick(5));
    const std::uint64_t client = pick(3);
    const std::int64_t end = any_end();
    std::vector<ShareNumber> numbers;
    if (pick(3) == 0) numbers = {pick(3), pick(3)};
    LeaseOutcome expected;
    remember(si, client, end);
    for (const ShareId& id : of(si)) {
      const bool named = numbers.empty() || std::ranges::count(numbers, id.number) != 0;
      if (named && model_[id].listed()) lease(model_[id], client, end, expected);
    }
    if (numbers.empty()) {
      const auto done = wait(index_->renew(si, client_lease(client, end)));
      ASSERT_TRUE(done);
      if (*done) {
        EXPECT_EQ(expected.added, 0u) << "a share without the lease";
        EXPECT_NE(expected.renewed, 0u);
        return;
      }
    }
    const auto outcome = wait(index_->add_or_renew(si, numbers, client_lease(client, end)));
    ASSERT_EQ(outcome.has_value(), expected.added + expected.renewed != 0);
    if (!outcome) return;
    EXPECT_EQ(outcome->added, expected.added);
    EXPECT_EQ(outcome->renewed, expected.renewed);
  }
  void write_slot() {
    const StorageIndex si = test_index(pick(5));
    SlotUpdate update;
    update.storage_index = si;
    const std::uint64_t client = pick(3);
    const std::int64_t end = any_end();
    update.lease = client_lease(client, end);
    remember(si, client, end);
    LeaseOutcome expected;
    for (ShareNumber number = 0; number < 3; ++number) {
      const ShareId id{si, number};
      switch (pick(4)) {
        case 0: {
          update.removed.push_back(number);
          model_.erase(id);
          break;
        }
        case 1: {
          update.changed.push_back(mutable_info(number, pick(9000)));
          ModelShare& share = model_[id];
          if (share.state == ShareState::going) share.leases.clear();
          share.info = update.changed.back();
          share.state = ShareState::present;
          break;
        }
        default: break;
      }
      if (pick(2) == 0) {
        update.leased.push_back(number);
        const auto found = model_.find(id);
        if (found != model_.end() && found->second.listed()) {
          lease(found->second, client, end, expected);
        }
      }
    }
    must(index_->begin_slot_writes({si}));
    const LeaseOutcome outcome = must(index_->finish_slot_write(update));
    EXPECT_EQ(outcome.added, expected.added);
    EXPECT_EQ(outcome.renewed, expected.renewed);
  }
  void change_state() {
    const ShareId id = any_share();
    const auto state = static_cast<ShareState>(pick(4));
    const Status done = wait(index_->set_state(id, state));
    EXPECT_EQ(done.has_value(), model_.contains(id));
    if (done) model_[id].state = state;
  }
  void forget() {
    const ShareId id = any_share();
    must(index_->forget(id));
    model_.erase(id);
  }
  void expire() {
    const ShareId id = any_share();
    const std::int64_t before = any_end();
    const bool claimed = must(index_->claim_expired(id, before));
    const auto found = model_.find(id);
    const bool due = found != model_.end() && found->second.due(before);
    EXPECT_TRUE(due || !claimed);
    EXPECT_TRUE(claimed || !due || may_be_longer(id, before));
    if (claimed && due) found->second.state = ShareState::going;
  }

  void compare() {
    for (std::uint64_t n = 0; n < 5; ++n) {
      const Slot slot = must(index_->find(test_index(n)));
      const auto ids = of(test_index(n));
      ASSERT_EQ(slot.shares.size(), ids.size());
      EXPECT_FALSE(slot.doubtful);
      for (std::size_t i = 0; i < ids.size(); ++i) {
        const ModelShare& share = model_[ids[i]];
        EXPECT_EQ(slot.shares[i].info, share.info);
        EXPECT_EQ(slot.shares[i].state, share.state);
        const Leases leases = must(index_->leases(ids[i]));
        ASSERT_EQ(leases.size(), share.leases.size());
        for (const auto& [client, end] : share.leases) {
          const Lease wanted = client_lease(client, end);
          const auto found = std::ranges::find(leases, wanted.renew_digest, &Lease::renew_digest);
          ASSERT_NE(found, leases.end());
          EXPECT_GE(found->expires_at, end) << "an acknowledged renewal is lost";
          EXPECT_LE(found->expires_at, (latest_[{ids[i].storage_index, client}]));
        }
      }
    }
    expect_exact_totals();
    compare_due();
  }
  void compare_due() {
    const std::int64_t before = any_end();
    DueQuery query;
    query.before = before;
    query.limit = 1 + pick(4);
    std::vector<ShareId> actual;
    do {
      const DuePage page = must(index_->due_leases(query));
      for (const DueShare& share : page.shares) actual.push_back(share.share);
      query.after = page.next;
    } while (query.after);
    for (const ShareId& id : actual) EXPECT_TRUE(model_[id].due(before));
    for (const auto& [id, share] : model_) {
      const bool is_in = std::ranges::count(actual, id) == 1;
      EXPECT_TRUE(is_in || !share.due(before) || may_be_longer(id, before)) << id.to_text();
    }
  }

  std::mt19937_64 random_;
  Model model_;
  std::map<std::pair<StorageIndex, std::uint64_t>, std::int64_t> latest_;
};

TEST_P(IndexModelTest, Agrees_with_the_model_after_any_operations) {
  const char* given = std::getenv("SHARESTORE_TEST_SEED");
  const std::uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
  SCOPED_TRACE("SHARESTORE_TEST_SEED=" + std::to_string(seed));
  random_.seed(seed);
  for (int step = 0; step < 400 && !HasFailure(); ++step) {
    SCOPED_TRACE("step " + std::to_string(step));
    switch (pick(12)) {
      case 0:
      case 1:
      case 2: upload(); break;
      case 3:
      case 4:
      case 5: renew(); break;
      case 6: write_slot(); break;
      case 7: change_state(); break;
      case 8: forget(); break;
      case 9: expire(); break;
      case 10: must(index_->fold_renewals()); break;
      case 11: pick(2) == 0 ? crash_and_open() : stop_and_open(); break;
    }
    if (step % 5 == 0) compare();
  }
  compare();
  EXPECT_TRUE(must(index_->check()).empty());
}

INSTANTIATE_TEST_SUITE_P(Kept, IndexModelTest,
                         ::testing::Values(KeptOutside::nothing, KeptOutside::in_share_files,
                                           KeptOutside::in_batches),
                         [](const auto& info) {
                           switch (info.param) {
                             case KeptOutside::nothing: return "nothing";
                             case KeptOutside::in_share_files: return "in_share_files";
                             default: return "in_batches";
                           }
                         });

// --- many at once -----------------------------------------------------------------------------

class IndexConcurrencyTest : public IndexTest {
 protected:
  // Coroutines on loops of their own threads; returns when all have ended.
  void run_on_threads(std::size_t threads,
                      const std::function<void(boost::asio::io_context&, std::size_t)>& spawn) {
    std::vector<std::thread> running;
    for (std::size_t i = 0; i < threads; ++i) {
      running.emplace_back([&spawn, i] {
        boost::asio::io_context loop(1);
        spawn(loop, i);
        loop.run();
      });
    }
    for (std::thread& thread : running) thread.join();
  }
};

// W25: no loop waits for the database.
TEST_F(IndexConcurrencyTest, Each_answer_resumes_on_its_own_executor_and_is_seen_by_all) {
  constexpr std::size_t kThreads = 4;
  constexpr std::size_t kPerThread = 8;
  for (std::uint64_t n = 0; n < 16; ++n) add_share(n, 0, 1000);
  std::atomic<int> wrong_thread{0};
  std::atomic<int> failures{0};
  std::atomic<bool> done{false};
  std::thread folder([&] {
    while (!done) {
      if (!run_task(index_->fold_renewals())) ++failures;
      if (!index_->find(test_index(3))) ++failures;
      (void)index_->totals();
      (void)index_->health();
    }
  });
  const auto client = [&](std::uint64_t seed) -> boost::asio::awaitable<void> {
    const auto here = std::this_thread::get_id();
    std::mt19937_64 random(seed);
    for (int i = 0; i < 40; ++i) {
      const std::uint64_t n = random() % 16;
      const std::int64_t end = static_cast<std::int64_t>(2000 + random() % 10'000);
      auto outcome = co_await index_->add_or_renew(test_index(n), {}, client_lease(1, end));
      if (std::this_thread::get_id() != here) ++wrong_thread;
      const auto leases = index_->leases(share_id(n));
      if (!outcome || !leases || leases->at(0).expires_at < end) ++failures;
      const ShareId fresh = share_id(1000 + seed * 100 + static_cast<std::uint64_t>(i));
      if (!co_await index_->begin_uploads(fresh.storage_index, {0}, 1, 1)) ++failures;
      if (!co_await index_->finish_upload(fresh, immutable_info(0), client_lease(1, end), 1)) {
        ++failures;
      }
      const auto slot = index_->find(fresh.storage_index);
      if (!slot || slot->shares.size() != 1) ++failures;
    }
  };
  run_on_threads(kThreads, [&](boost::asio::io_context& loop, std::size_t thread) {
    for (std::size_t i = 0; i < kPerThread; ++i) {
      boost::asio::co_spawn(loop, client(thread * kPerThread + i), boost::asio::detached);
    }
  });
  done = true;
  folder.join();
  EXPECT_EQ(wrong_thread, 0);
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(index_->totals().immutable_shares, 16 + kThreads * kPerThread * 40);
  expect_exact_totals();
  crash_and_open();
  expect_exact_totals();
}

TEST_F(IndexConcurrencyTest, Senders_beyond_the_queues_limit_wait_and_are_served) {
  stop();
  IndexOptions small = options();
  small.max_queued_writes = 2;
  index_ = must(FullIndex::open_full(small, clock_));
  std::atomic<int> served{0};
  const auto client = [&](std::uint64_t n) -> boost::asio::awaitable<void> {
    for (int i = 0; i < 5; ++i) {
      if (co_await index_->set_value("v" + std::to_string(n), std::to_string(i))) ++served;
    }
  };
  run_on_threads(3, [&](boost::asio::io_context& loop, std::size_t thread) {
    for (std::uint64_t i = 0; i < 20; ++i) {
      boost::asio::co_spawn(loop, client(thread * 20 + i), boost::asio::detached);
    }
  });
  EXPECT_EQ(served, 300);
  EXPECT_EQ(must(index_->get_value("v59")), "4");
}

TEST_F(IndexConcurrencyTest, A_stop_among_senders_commits_or_cancels_each) {
  std::atomic<int> committed{0};
  std::atomic<int> cancelled{0};
  std::atomic<int> other{0};
  const auto client = [&](std::uint64_t n) -> boost::asio::awaitable<void> {
    for (std::uint64_t i = 0;; ++i) {
      const ShareId id = share_id(n * 100'000 + i);
      const Status done =
          co_await index_->finish_upload(id, immutable_info(0), client_lease(1, 5), 1);
      if (done) {
        ++committed;
        continue;
      }
      ++(done.error().code() == Errc::cancelled ? cancelled : other);
      co_return;
    }
  };
  std::thread stopper([&] {
    while (committed < 200) std::this_thread::yield();
    index_->stop();
  });
  run_on_threads(3, [&](boost::asio::io_context& loop, std::size_t thread) {
    for (std::uint64_t i = 0; i < 4; ++i) {
      boost::asio::co_spawn(loop, client(thread * 4 + i), boost::asio::detached);
    }
  });
  stopper.join();
  EXPECT_EQ(cancelled, 12);
  EXPECT_EQ(other, 0);
  crash_and_open();
  EXPECT_TRUE(index_->was_stopped_cleanly());
  EXPECT_EQ(index_->totals().immutable_shares, static_cast<std::uint64_t>(committed));
}

TEST_F(IndexConcurrencyTest, More_renewals_than_memory_holds_are_merged_meanwhile) {
  // The smallest table has room for 1024 entries.
  stop();
  IndexOptions small = options();
  small.memory_bytes = 64 << 10;
  index_ = must(FullIndex::open_full(small, clock_));
  constexpr std::uint64_t kShares = 3000;
  must(index_->begin_rebuild(1));
  std::vector<ScannedShare> batch;
  for (std::uint64_t n = 0; n < kShares; ++n) {
    ScannedShare share;
    share.share = share_id(n);
    share.info = immutable_info(0);
    share.leases = {client_lease(1, 1000)};
    batch.push_back(share);
  }
  must(index_->record_scanned(std::move(batch), {}));
  must(index_->finish_rebuild());
  std::atomic<int> failures{0};
  const auto client = [&](std::uint64_t first) -> boost::asio::awaitable<void> {
    for (std::uint64_t n = first; n < kShares; n += 64) {
      const auto end = static_cast<std::int64_t>(2000 + n);
      // As requests do: where the log is full, the rows themselves take the renewal.
      const auto done = co_await index_->renew(test_index(n), client_lease(1, end));
      if (!done) ++failures;
      if (!done || *done) continue;
      if (!co_await index_->add_or_renew(test_index(n), {}, client_lease(1, end))) ++failures;
    }
  };
  run_on_threads(2, [&](boost::asio::io_context& loop, std::size_t thread) {
    for (std::uint64_t i = 0; i < 32; ++i) {
      boost::asio::co_spawn(loop, client(thread * 32 + i), boost::asio::detached);
    }
  });
  EXPECT_EQ(failures, 0);
  EXPECT_LE(must(index_->backlog()).pending, 1024u);
  const auto expect_all = [&] {
    for (std::uint64_t n = 0; n < kShares; ++n) {
      ASSERT_EQ(must(index_->leases(share_id(n)))[0].expires_at,
                static_cast<std::int64_t>(2000 + n));
    }
  };
  expect_all();
  crash_and_open();
  expect_all();
  must(index_->fold_renewals());
  EXPECT_EQ(must(index_->backlog()).pending, 0u);
  expect_all();
  expect_exact_totals();
}

}  // namespace
}  // namespace sharestore
