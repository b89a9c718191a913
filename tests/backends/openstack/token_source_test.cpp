// Tokens over the Rackspace emulator, with a clock that only the test moves: one authentication for
// everybody, renewal ahead of the end, pauses after failures.
#include "backends/openstack/token_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include <future>
#include <thread>
#include <vector>

#include "tests/backends/openstack/openstack_test_base.h"
#include "tests/support/fake_clock.h"
#include "tests/support/rackspace_identity.h"

namespace sharestore::openstack {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using test::RackspaceIdentity;
using testing::AllOf;
using testing::HasSubstr;

// Hands out names; no store stands behind them.
class CountingIssuer final : public test::TokenIssuer {
 public:
  test::IssuedToken issue() override {
    return {"token-" + std::to_string(++issued_), "http://127.0.0.1:1/v1/MossoCloudFS_1"};
  }
  void revoke(const std::string&) override {}

 private:
  int issued_ = 0;
};

class Tokens : public testing::Test {
 protected:
  Tokens() {
    config.provider = OpenStackConfig::Provider::rackspace_com;
    config.auth = OpenStackConfig::Auth::rackspace;
    config.username = RackspaceIdentity::kUser;
    config.api_key = Secret(RackspaceIdentity::kKey);
    config.container = "shares";
    set_url(identity.v2_url());
  }
  ~Tokens() override {
    identity.let_go();
    if (source_)
      boost::asio::co_spawn(loop_.context(), source_->close(), boost::asio::use_future).get();
  }

  void set_url(const std::string& url) { config.url = *parse_service_url(url); }
  TokenSource& source() {
    if (!source_) {
      source_ = std::make_unique<TokenSource>(loop_.executor(), pool_, config, [] { return 0.5; });
    }
    return *source_;
  }
  std::future<Result<Token>> begin(Duration budget = hours(48)) {
    return boost::asio::co_spawn(loop_.context(), source().token(clock.context(budget)),
                                 boost::asio::use_future);
  }
  Result<Token> token() { return begin().get(); }
  std::uint64_t generation() {
    const auto held = token();
    EXPECT_TRUE(held) << words(held);
    return held ? held->generation : 0;
  }
  // Of a token other than that one. The authentication behind it runs on its own.
  std::uint64_t next_generation(std::uint64_t old) {
    std::uint64_t now = generation();
    while (now == old) {
      std::this_thread::yield();
      now = generation();
    }
    return now;
  }
  // Returns when so many authentications were seen and nothing is left but one waiter's pause,
  // which ends within `span`: while a request is on its way, its timeouts sleep as well.
  void await_pause(std::size_t authentications, Duration span) {
    const auto pausing = [&] {
      if (identity.authentications() != authentications) return false;
      const auto wake = clock.only_wake();
      return wake && *wake <= clock.now() + span;
    };
    while (!pausing()) std::this_thread::yield();
  }

 private:
  IoPool pool_{1};
  RequestLoop loop_;
  CountingIssuer issuer_;

 protected:
  FakeClock clock;
  RackspaceIdentity identity{issuer_, clock};
  OpenStackConfig config;

 private:
  std::unique_ptr<TokenSource> source_;
};

// W32: waiters do not authenticate each for himself.
TEST_F(Tokens, OneAuthenticationServesEverybodyWhoWaits) {
  identity.hold();
  std::vector<std::future<Result<Token>>> waiting;
  for (int i = 0; i < 300; ++i) waiting.push_back(begin());
  identity.await_held(1);
  identity.let_go();
  for (auto& one : waiting) {
    const auto held = one.get();
    ASSERT_TRUE(held) << words(held);
    EXPECT_EQ(held->generation, 1u);
    EXPECT_EQ(held->value.reveal(), "token-1");
  }
  EXPECT_EQ(identity.authentications(), 1u);
}

// The life that the service states is kept to: five minutes and a day.
TEST_F(Tokens, RenewedAheadOfTheirEndWhileTheOldOneServes) {
  for (const milliseconds life : {milliseconds(minutes(5)), milliseconds(hours(24))}) {
    identity.set_token_life(life);
    const std::uint64_t first = next_generation(0);
    const std::size_t before = identity.authentications();
    const Duration lead = std::min<Duration>(life / 4, kLongestRenewalLead);
    clock.advance(life - lead);
    EXPECT_EQ(generation(), first);
    EXPECT_EQ(identity.authentications(), before);
    // Past the latest moment for a beginning, before the end.
    clock.advance(lead * 3 / 4);
    identity.hold();
    EXPECT_EQ(generation(), first);
    identity.await_held(1);
    EXPECT_EQ(generation(), first);
    identity.let_go();
    const std::uint64_t second = next_generation(first);
    EXPECT_EQ(second, first + 1);
    EXPECT_EQ(identity.authentications(), before + 1);
    clock.advance(life);
  }
}

// W32: the end of a token is known ahead.
TEST_F(Tokens, ExactlyOneAuthenticationPerExpiry) {
  constexpr Duration kLife = minutes(5);
  constexpr Duration kRenewedAfter = kLife - kLife / 4 * 3 / 4;
  identity.set_token_life(minutes(5));
  std::uint64_t held = generation();
  Monotonic got_at = clock.now();
  for (int step = 0; step < 20 * 60; ++step) {
    std::vector<std::future<Result<Token>>> waiting;
    for (int i = 0; i < 8; ++i) waiting.push_back(begin());
    for (auto& one : waiting) ASSERT_TRUE(one.get());
    if (clock.now() - got_at >= kRenewedAfter) {
      // The clock must not run ahead of the renewal, which has timeouts on it.
      held = next_generation(held);
      got_at = clock.now();
    }
    clock.advance(seconds(3));
  }
  // An hour of tokens of five minutes, each replaced at the first step past its time: 246 s.
  EXPECT_EQ(held, 1u + 3600 / 246);
  EXPECT_EQ(identity.authentications(), held);
  EXPECT_EQ(identity.tokens_issued(), held);
}

TEST_F(Tokens, EndedOneServesNobody) {
  const std::uint64_t first = generation();
  clock.advance(hours(24));
  EXPECT_EQ(generation(), first + 1);
  EXPECT_EQ(identity.authentications(), 2u);
}

TEST_F(Tokens, RefusalOfAReplacedTokenDoesNothing) {
  const std::uint64_t first = generation();
  identity.revoke_all();
  source().invalidate(first);
  const std::uint64_t second = generation();
  EXPECT_EQ(second, first + 1);
  for (int i = 0; i < 10; ++i) source().invalidate(first);
  EXPECT_EQ(generation(), second);
  EXPECT_EQ(identity.authentications(), 2u);
}

// The service hands out again what the store refused: no storm of authentications.
TEST_F(Tokens, SameTokenAfterARefusalIsAFailureWithAPause) {
  const std::uint64_t first = generation();
  source().invalidate(first);
  const auto refused = token();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::unauthorized);
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(token());
  EXPECT_EQ(identity.authentications(), 2u);
  clock.advance(kRefusedAccountPause);
  EXPECT_TRUE(token());
  EXPECT_EQ(identity.authentications(), 3u);
}

TEST_F(Tokens, OverLimitAnswersWaitAsToldInEitherForm) {
  for (const bool as_date : {false, true}) {
    for (const int status : {413, 429}) {
      const std::size_t before = identity.authentications();
      identity.over_limit_next(1, status, 20, as_date);
      identity.revoke_all();
      if (before > 0) source().invalidate(generation());
      auto waiting = begin();
      await_pause(before + 1, seconds(20));
      clock.advance(seconds(20));
      const auto held = waiting.get();
      ASSERT_TRUE(held) << words(held);
      EXPECT_EQ(identity.authentications(), before + 2);
    }
  }
}

// W32: one failure is not the last attempt.
TEST_F(Tokens, FailuresArePausedAfterAndRecoveredFrom) {
  // First, because curl itself repeats what met a kept connection that is dead.
  identity.drop_next(1);
  identity.fail_next(1, 503);
  identity.break_next(1);
  auto waiting = begin();
  for (std::size_t failed = 1; failed <= 3; ++failed) {
    await_pause(failed, kPatience);
    clock.advance(kPatience);
  }
  const auto held = waiting.get();
  ASSERT_TRUE(held) << words(held);
  EXPECT_EQ(identity.authentications(), 4u);
  EXPECT_EQ(source().status().trouble, "");
}

TEST_F(Tokens, ServiceThatIsDownLaterLeavesTheOldOneServingToItsEnd) {
  identity.set_token_life(minutes(5));
  const std::uint64_t first = generation();
  identity.fail_next(3, 503);
  clock.advance(minutes(5) - seconds(10));
  EXPECT_EQ(generation(), first);
  while (source().status().trouble.empty()) std::this_thread::yield();
  EXPECT_EQ(generation(), first);
  EXPECT_THAT(source().status().trouble, HasSubstr("503"));
  EXPECT_TRUE(source().status().has_token);
  // Past its end nothing serves; whoever cannot wait is told why.
  clock.advance(seconds(10));
  auto waiting = begin();
  for (std::size_t failed = 3; failed <= 4; ++failed) {
    await_pause(failed, kPatience);
    clock.advance(kPatience);
  }
  const auto held = waiting.get();
  ASSERT_TRUE(held) << words(held);
  EXPECT_GT(held->generation, first);
  EXPECT_EQ(source().status().trouble, "");
}

TEST_F(Tokens, RefusedAccountIsNotTriedAgainAtOnce) {
  config.api_key = Secret("wrong");
  const auto refused = token();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::unauthorized);
  EXPECT_THAT(refused.error().message(),
              AllOf(HasSubstr("tahoe-user"), HasSubstr("private/openstack_api_key"),
                    testing::Not(HasSubstr("wrong"))));
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(token());
  EXPECT_EQ(identity.authentications(), 1u);
  EXPECT_EQ(source().status().trouble, refused.error().message());
}

TEST_F(Tokens, UnknownUserIsNamed) {
  config.username = "nobody";
  const auto refused = token();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::unauthorized);
  EXPECT_THAT(refused.error().message(), HasSubstr("openstack.username = nobody"));
}

TEST_F(Tokens, DisabledUserIsNamedAndComesBack) {
  identity.disable_user(true);
  const auto refused = token();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::unauthorized);
  EXPECT_THAT(refused.error().message(), HasSubstr("User 'tahoe-user' is disabled."));
  identity.disable_user(false);
  clock.advance(kLongestAuthenticationPause);
  EXPECT_TRUE(token());
}

TEST_F(Tokens, CatalogueErrorsSayWhatThereIs) {
  identity.leave_out_store(true);
  const auto none = token();
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message(),
              AllOf(HasSubstr("no object store"), HasSubstr("compute, rax:monitor")));
  identity.leave_out_store(false);
  clock.advance(kLongestAuthenticationPause);
  EXPECT_TRUE(token());
}

TEST_F(Tokens, WrongRegionNamesTheRegionsThereAre) {
  config.region = "ORD";
  const auto wrong = token();
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message(), AllOf(HasSubstr("ORD"), HasSubstr("DFW, LON")));
}

TEST_F(Tokens, SeveralRegionsWithoutADefaultAreForTheOperatorToChoose) {
  identity.set_regions({"DFW", "LON"}, "");
  const auto open = token();
  ASSERT_FALSE(open);
  EXPECT_THAT(open.error().message(), HasSubstr("choose one with openstack.region"));
}

TEST_F(Tokens, V1OfRackspaceTellsItsLife) {
  config.auth = OpenStackConfig::Auth::v1;
  set_url(identity.v1_url());
  identity.set_token_life(minutes(5));
  const auto held = token();
  ASSERT_TRUE(held) << words(held);
  EXPECT_EQ(held->storage_url, "http://127.0.0.1:1/v1/MossoCloudFS_1");
  EXPECT_EQ(held->ends_at - clock.now(), minutes(5));
}

TEST_F(Tokens, WaiterLeavesAtItsOwnDeadline) {
  identity.hold();
  auto hasty = begin(seconds(1));
  auto patient = begin();
  identity.await_held(1);
  while (*clock.next_wake() > clock.now() + seconds(1)) std::this_thread::yield();
  clock.advance(seconds(1));
  EXPECT_EQ(hasty.get().error().code(), Errc::timed_out);
  identity.let_go();
  EXPECT_TRUE(patient.get());
  EXPECT_EQ(identity.authentications(), 1u);
}

}  // namespace
}  // namespace sharestore::openstack
