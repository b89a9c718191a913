// An announcer on a loop of its own, with a clock that the test moves.
#pragma once

#include <gtest/gtest.h>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "backends/core/io_pool.h"
#include "storage_server/grid/announcer.h"
#include "storage_server/grid/limits.h"
#include "tests/storage_server/grid/fake_introducer.h"
#include "tests/support/fake_clock.h"
#include "tests/support/test_certificate.h"

namespace sharestore::grid {

// Polls until `done` or 20 s have passed.
inline bool eventually(const std::function<bool()>& done) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    // real time: another thread's side of a socket is waited for.
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

class AnnouncerTest : public testing::Test {
 protected:
  const test::TestCertificate& certificate() const { return certificate_; }

  void start(std::vector<IntroducerConfig> introducers) {
    AnnouncerOptions options;
    options.facts.nickname = "node";
    options.facts.version = "sharestore/test";
    options.facts.furl = "pb://" + tub_id_of(certificate()) + "@tcp:127.0.0.1:1/swissnum";
    options.facts.nurls = {"pb://spki@127.0.0.1:1/swissnum#v=1"};
    options.facts.permutation_seed = "aaaa";
    options.signing_seed = Secret(std::string(32, 's'));
    options.certificate_pem = certificate().certificate_pem;
    options.key_pem = Secret(certificate().key_pem);
    options.tub_id = tub_id_of(certificate());
    options.introducers = std::move(introducers);
    options.next_seqnum = [this]() -> Result<std::uint64_t> {
      if (seqnum_fails) return fail(Errc::no_space, "disk full");
      return ++seqnum;
    };
    auto made = Announcer::make(std::move(options), pool_, clock_);
    ASSERT_TRUE(made) << made.error().message();
    announcer_ = std::move(*made);
    for (auto& run : announcer_->runs()) {
      ++running_;
      signals_.emplace_back();
      boost::asio::co_spawn(
          loop_, std::move(run),
          boost::asio::bind_cancellation_slot(signals_.back().slot(),
                                              [this](const std::exception_ptr&) { --running_; }));
    }
    loop_.restart();
    thread_ = std::thread([this] { loop_.run(); });
  }

  void stop() {
    if (!thread_.joinable()) return;
    boost::asio::post(loop_, [this] {
      for (auto& signal : signals_) signal.emit(boost::asio::cancellation_type::terminal);
    });
    EXPECT_TRUE(eventually([this] { return running_ == 0; })) << "it does not end";
    loop_.stop();
    thread_.join();
    signals_.clear();
    announcer_.reset();
  }

  // As the node does: a peer that goes away is an error of the write.
  void SetUp() override { ::signal(SIGPIPE, SIG_IGN); }
  void TearDown() override { stop(); }

  static IntroducerConfig introducer(const std::string& petname, const std::string& tub_id,
                                     std::uint16_t port) {
    return {petname, "pb://" + tub_id + "@tcp:127.0.0.1:" + std::to_string(port) +
                         "/hrvow2wud6ocy4yuyymiuasbi4ooatz7"};
  }
  static IntroducerConfig introducer(const FakeIntroducer& fake) {
    return introducer("fake", fake.tub_id(), fake.port());
  }

  IntroducerState state(std::size_t index = 0) const { return announcer_->states().at(index); }
  bool reached(const std::function<bool(const IntroducerState&)>& wanted) const {
    return eventually([&] { return wanted(state()); });
  }
  // Skips the pauses of the introducer `index` until `done`; no other wait is cut short.
  bool retry_until(const std::function<bool()>& done, std::size_t index = 0) {
    return eventually([&] {
      if (done()) return true;
      if (const auto next = state(index).next_attempt) {
        clock_.advance(std::max<Duration>(*next - clock_.utc_now(), std::chrono::milliseconds(1)));
      }
      return done();
    });
  }
  // True when it is connected and waits for what the peer says; connecting has a shorter wait. The
  // peer's thread may have the connection before.
  bool waits_for_the_peer() {
    static_assert(kPublishBudget > kConnectBudget);
    return eventually([&] {
      const auto wake = clock_.only_wake();
      return wake && *wake - clock_.now() > kConnectBudget;
    });
  }
  // True when the one sleeper left sleeps for about that long.
  bool sleeps_for(Duration wanted) {
    return eventually([&] {
      const auto wake = clock_.only_wake();
      return wake && *wake - clock_.now() == wanted;
    });
  }

  test::TestCertificate certificate_ = test::make_test_certificate();
  FakeClock clock_;
  std::atomic<std::uint64_t> seqnum{0};
  std::atomic<bool> seqnum_fails{false};

 private:
  IoPool pool_{2};
  boost::asio::io_context loop_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{
      loop_.get_executor()};
  std::list<boost::asio::cancellation_signal> signals_;
  std::atomic<int> running_{0};
  std::unique_ptr<Announcer> announcer_;
  std::thread thread_;
};

}  // namespace sharestore::grid
