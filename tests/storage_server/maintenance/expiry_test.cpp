// When shares go and when they stay, on a clock that the test moves.
#include "storage_server/maintenance/expiry.h"

#include <atomic>
#include <set>

#include "storage_server/maintenance/expiry_policy.h"
#include "tests/storage_server/index/index_fixture.h"

namespace sharestore {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

constexpr std::int64_t kDay = 86400;

// Takes shares out of the index as the share store would, without a store behind it.
class FakeShares final : public ExpiredShares {
 public:
  explicit FakeShares(FullIndex& index) : index_(index) {}

  Task<bool> remove_if_expired(OpContext context, ExpiryView& expiry, ShareId share,
                               std::int64_t before) override {
    ++asked;
    auto claimed = co_await expiry.claim_expired(share, before);
    if (!claimed || !*claimed) co_return claimed;
    auto done = co_await finish_removal(context, share);
    if (!done) co_return fail(done.error());
    co_return true;
  }
  Task<void> finish_removal(OpContext, ShareId share) override {
    if (failing) co_return fail(Errc::unavailable, "the store is down");
    auto forgotten = co_await index_.forget(share);
    if (forgotten) removed.insert(share);
    co_return forgotten;
  }

  int asked = 0;
  bool failing = false;
  std::set<ShareId> removed;

 private:
  FullIndex& index_;
};

class ExpiryTest : public IndexTest {
 protected:
  void SetUp() override {
    IndexTest::SetUp();
    config_.enabled = true;
    config_.rate_per_second = 1'000'000;
  }
  void make() {
    shares_ = std::make_unique<FakeShares>(*index_);
    expiry_ = std::make_unique<Expiry>(config_, *index_, *shares_, clock_);
  }
  void start() {
    make();
    must(expiry_->start());
  }
  // A pass, with the clock moved on whenever the engine waits for it.
  void pass() {
    bool done = false;
    boost::asio::co_spawn(
        context_,
        [this]() -> boost::asio::awaitable<void> { must(co_await expiry_->pass(stopping_)); },
        [&done](const std::exception_ptr& error) {
          done = true;
          if (error) std::rethrow_exception(error);
        });
    context_.restart();
    while (!done) {
      if (context_.poll() == 0 && clock_.sleepers() != 0) clock_.advance_to_next();
      if (!done && clock_.sleepers() == 0) context_.run_one();
    }
  }
  // The engine itself, until it has removed something or two hours have gone; then it is told to
  // end.
  void run_until_removed() {
    bool ended = false;
    boost::asio::co_spawn(context_, expiry_->run(stopping_),
                          [&ended](const std::exception_ptr&) { ended = true; });
    context_.restart();
    const std::int64_t begin = now();
    std::int64_t at = begin;
    while (!ended) {
      if (context_.poll() == 0 && clock_.sleepers() != 0) clock_.advance_to_next();
      if (removed() == 0 && now() < begin + 7200) continue;
      if (!stopping_) at = now();
      stopping_ = true;
    }
    removed_at_ = at;
  }
  std::size_t removed() const { return shares_->removed.size(); }
  void restart() {
    expiry_.reset();
    stop_and_open();
    start();
  }

  ExpireConfig config_;
  std::atomic<bool> stopping_{false};
  std::unique_ptr<FakeShares> shares_;
  std::unique_ptr<Expiry> expiry_;
  std::int64_t removed_at_ = 0;
};

TEST(ExpiryPolicyTest, Each_mode_comes_down_to_one_time) {
  ExpireConfig config;
  EXPECT_FALSE(expires_before(config, ShareKind::immutable, 1000));
  config.enabled = true;
  EXPECT_EQ(expires_before(config, ShareKind::immutable, 1000), 1001);
  config.override_lease_duration = seconds(5 * kDay);
  EXPECT_EQ(expires_before(config, ShareKind::mutable_slot, 100 * kDay), 126 * kDay);
  config.mode = ExpireConfig::Mode::cutoff_date;
  EXPECT_FALSE(expires_before(config, ShareKind::immutable, 1000)) << "no date, no removal";
  config.cutoff_date = std::chrono::sys_seconds(seconds(50 * kDay));
  EXPECT_EQ(expires_before(config, ShareKind::immutable, 1), 81 * kDay);
  config.immutable_shares = false;
  EXPECT_FALSE(expires_before(config, ShareKind::immutable, 1));
  EXPECT_TRUE(expires_before(config, ShareKind::mutable_slot, 1));
}

TEST_F(ExpiryTest, Only_ended_leases_go_and_only_where_it_is_enabled) {
  add_share(1, 0, now() + 100);
  add_share(2, 0, now() + 101);
  start();
  pass();
  EXPECT_EQ(removed(), 0u);
  clock_.advance(seconds(100));
  config_.enabled = false;
  start();
  pass();
  EXPECT_EQ(removed(), 0u);
  config_.enabled = true;
  start();
  pass();
  EXPECT_EQ(shares_->removed, std::set<ShareId>{share_id(1)});
  EXPECT_EQ(expiry_->report().removed_shares, 1u);
  EXPECT_EQ(expiry_->report().removed_bytes, immutable_info(0).stored_bytes);
  EXPECT_EQ(expiry_->report().held, "");
}

TEST_F(ExpiryTest, A_rebuild_and_31_days_after_it_nothing_goes) {
  add_share(1, 0, now() - 5);
  must(index_->begin_rebuild(now() + 60 * kDay));
  start();
  pass();
  EXPECT_NE(expiry_->report().held.find("rebuilt"), std::string::npos);
  must(index_->settle_slot(test_index(1), {immutable_info(0)}, {}, 0, now()));
  must(index_->finish_rebuild());
  pass();
  EXPECT_NE(expiry_->report().held.find("31 more days"), std::string::npos)
      << expiry_->report().held;
  for (int day = 0; day < 30; ++day) {
    clock_.advance(hours(24));
    must(index_->set_value("clock.last_tick", std::to_string(now())));
  }
  restart();
  pass();
  EXPECT_EQ(removed(), 0u) << "the grace outlives a restart";
  clock_.advance(hours(24));
  pass();
  EXPECT_EQ(removed(), 1u);
}

TEST_F(ExpiryTest, A_person_ends_the_grace) {
  add_share(1, 0, now() - 5);
  must(index_->begin_rebuild(1));
  start();
  must(index_->settle_slot(test_index(1), {immutable_info(0)}, {}, 0, now()));
  must(index_->finish_rebuild());
  must(expiry_->accept_taken_over());
  pass();
  EXPECT_EQ(removed(), 1u);
}

TEST_F(ExpiryTest, A_clock_that_jumps_forward_a_year_removes_nothing) {
  add_share(1, 0, now() + 31 * kDay);
  start();
  clock_.jump_utc(hours(365 * 24));
  pass();
  EXPECT_EQ(removed(), 0u);
  EXPECT_NE(expiry_->report().held.find("jumped"), std::string::npos) << expiry_->report().held;
  restart();
  pass();
  EXPECT_EQ(removed(), 0u);
  EXPECT_NE(expiry_->report().held, "") << "a restart does not clear it";
  clock_.jump_utc(-hours(365 * 24));
  must(expiry_->accept_clock());
  pass();
  EXPECT_EQ(removed(), 0u) << "the right time again, and the lease runs";
  EXPECT_EQ(expiry_->report().held, "");
}

TEST_F(ExpiryTest, The_loop_removes_what_becomes_due_and_ends_when_told) {
  add_share(1, 0, now() + 1800);
  start();
  const std::int64_t begin = now();
  run_until_removed();
  EXPECT_EQ(removed(), 1u);
  EXPECT_GE(removed_at_, begin + 1800);
  EXPECT_LE(removed_at_, begin + 1800 + 11 * 60);
}

TEST_F(ExpiryTest, What_holds_removals_at_the_start_is_looked_at_again_each_minute) {
  add_share(1, 0, now() - 5);
  must(index_->set_value("expiry.grace_until", std::to_string(now() + 90)));
  start();
  const std::int64_t begin = now();
  run_until_removed();
  EXPECT_EQ(removed(), 1u);
  EXPECT_GE(removed_at_, begin + 90);
  EXPECT_LE(removed_at_, begin + 180);
}

// W21: it does not stay half removed for ever.
TEST_F(ExpiryTest, A_removal_that_failed_is_completed_later) {
  add_share(1, 0, now() - 5);
  start();
  shares_->failing = true;
  pass();
  EXPECT_EQ(removed(), 0u);
  EXPECT_EQ(expiry_->report().failures, 1u);
  EXPECT_EQ(must(index_->find(test_index(1))).shares[0].state, ShareState::going);
  expiry_.reset();
  crash_and_open();
  config_.enabled = false;
  start();
  pass();
  EXPECT_EQ(removed(), 1u) << "what was begun is completed, enabled or not";
}

TEST_F(ExpiryTest, Removals_keep_to_their_rate) {
  for (std::uint64_t n = 0; n < 21; ++n) add_share(n, 0, now() - 5);
  config_.rate_per_second = 10;
  start();
  const Monotonic begin = clock_.now();
  pass();
  EXPECT_EQ(removed(), 21u);
  EXPECT_EQ(clock_.now() - begin, seconds(2));
}

TEST_F(ExpiryTest, The_forecast_speaks_of_what_the_rules_remove) {
  add_share(1, 0, now() + 12 * 3600);
  add_share(2, 0, now() + 5 * kDay);
  add_share(3, 0, now() + 20 * kDay);
  start();
  const auto plain = must(expiry_->forecast());
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->week.immutable_shares, 2u);
  EXPECT_EQ(plain->month.immutable_shares, 3u);
  config_.override_lease_duration = seconds(20 * kDay);
  start();
  EXPECT_EQ(must(expiry_->forecast())->week.immutable_shares, 2u + 0u)
      << "a lease of 20 days ends 11 days earlier";
  config_.immutable_shares = false;
  start();
  EXPECT_EQ(must(expiry_->forecast())->month.immutable_shares, 0u);
  config_.enabled = false;
  start();
  EXPECT_FALSE(must(expiry_->forecast()));
}

// --- the clock's guard ------------------------------------------------------------------------

class ClockGuardTest : public IndexTest {
 protected:
  std::string doubt_after_start() {
    ClockGuard guard(*index_, clock_);
    must(guard.start());
    return guard.doubt();
  }
};

TEST_F(ClockGuardTest, A_steady_clock_is_believed) {
  EXPECT_EQ(doubt_after_start(), "");
  clock_.advance(hours(6 * 24));
  ClockGuard guard(*index_, clock_);
  must(guard.start());
  EXPECT_EQ(guard.doubt(), "");
  clock_.advance(hours(1000));
  clock_.jump_utc(hours(23));
  must(guard.tick());
  EXPECT_EQ(guard.doubt(), "");
}

TEST_F(ClockGuardTest, A_jump_holds_for_a_day_of_uptime_across_restarts) {
  for (const int jump : {25, -25}) {
    must(index_->set_value("clock.last_tick", std::to_string(now())));
    ClockGuard guard(*index_, clock_);
    must(guard.start());
    ASSERT_EQ(guard.doubt(), "");
    clock_.jump_utc(hours(jump));
    must(guard.tick());
    EXPECT_NE(guard.doubt().find("jumped"), std::string::npos);
    clock_.advance(hours(23));
    must(guard.tick());
    EXPECT_NE(guard.doubt(), "");
    ClockGuard restarted(*index_, clock_);
    must(restarted.start());
    EXPECT_NE(restarted.doubt(), "") << "the doubt is kept";
    clock_.advance(hours(23));
    must(restarted.tick());
    EXPECT_NE(restarted.doubt(), "") << "uptime begins anew";
    clock_.advance(hours(1));
    must(restarted.tick());
    EXPECT_EQ(restarted.doubt(), "");
  }
}

TEST_F(ClockGuardTest, A_long_or_backward_gap_between_runs_holds) {
  EXPECT_EQ(doubt_after_start(), "");
  clock_.jump_utc(hours(7 * 24 + 1));
  EXPECT_NE(doubt_after_start().find("off for 7 days"), std::string::npos);
  ClockGuard guard(*index_, clock_);
  must(guard.start());
  must(guard.accept());
  EXPECT_EQ(guard.doubt(), "");
  EXPECT_EQ(doubt_after_start(), "");
  clock_.jump_utc(-hours(25));
  EXPECT_NE(doubt_after_start().find("behind"), std::string::npos);
}

}  // namespace
}  // namespace sharestore
