// Introducers that behave, and peers that do not: nothing they do may harm or end the publisher.
#include "storage_server/grid/publisher.h"

#include <gtest/gtest.h>

#include "storage_server/grid/limits.h"
#include "tests/storage_server/grid/announcer_fixture.h"
#include "tests/storage_server/grid/wire.h"

namespace sharestore::grid {
namespace {

using namespace std::chrono_literals;

TEST_F(AnnouncerTest, PublishesAndAgainAfterALoss) {
  std::string tub;
  std::atomic<bool> drop{false};
  std::string client;
  std::string request;
  FakeIntroducer fake([&](FakePeer& peer, int connection) {
    if (connection == 1) peer.read_request();  // closes: the first attempt fails
    if (connection == 1) {
      request = peer.received();
      return;
    }
    if (!peer.negotiate(tub)) return;
    client = peer.client_tub_id();
    if (!peer.accept_announcement()) return;
    if (connection == 2) {
      // real time: another thread's side of a socket is waited for.
      while (!drop) std::this_thread::sleep_for(1ms);
      return;
    }
    peer.wait_closed();
  });
  tub = fake.tub_id();
  start({introducer(fake)});
  ASSERT_TRUE(reached([](const auto& s) { return !s.last_error.empty(); }));
  EXPECT_EQ(request, "GET /id/" + tub +
                         " HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: TLS/1.0\r\n"
                         "Connection: Upgrade\r\n\r\n");
  EXPECT_FALSE(state().connected);
  EXPECT_FALSE(state().last_published);
  ASSERT_TRUE(retry_until([&] { return state().connected; }));
  EXPECT_EQ(client, tub_id_of(certificate()));
  EXPECT_EQ(state().last_error, "");
  EXPECT_EQ(state().publications, 1U);
  EXPECT_TRUE(state().last_published.has_value());
  EXPECT_EQ(seqnum, 1U);
  drop = true;
  ASSERT_TRUE(reached([](const auto& s) { return !s.connected; }));
  ASSERT_TRUE(retry_until([&] { return state().connected; }));
  EXPECT_EQ(state().publications, 2U);
  EXPECT_EQ(seqnum, 2U) << "each publication has a number of its own";
  stop();
}

TEST_F(AnnouncerTest, AnImpostorHearsNothing) {
  FakeIntroducer fake([&](FakePeer& peer, int) {
    peer.read_request();
    peer.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: TLS/1.0, PB/1.0\r\n\r\n");
    peer.start_tls();
    EXPECT_TRUE(peer.wait_closed());
    EXPECT_EQ(peer.received(), "");
  });
  start({introducer("x", std::string(kLowTub), fake.port())});
  ASSERT_TRUE(reached([](const auto& s) { return s.last_error.contains("another tub"); }))
      << state().last_error;
  EXPECT_EQ(seqnum, 0U);
}

TEST_F(AnnouncerTest, SilenceEndsAtEveryStage) {
  std::string tub;
  std::atomic<int> waiting{0};
  FakeIntroducer fake([&](FakePeer& peer, int connection) {
    if (connection >= 2) {
      peer.read_request();
      peer.send("HTTP/1.1 101 x\r\nUpgrade: TLS/1.0\r\n\r\n");
    }
    if (connection >= 3) peer.start_tls();
    if (connection >= 4) peer.send("banana-negotiation-range: 3 3\r\nmy-tub");
    waiting = connection;
    EXPECT_TRUE(peer.wait_closed());
  });
  tub = fake.tub_id();
  start({introducer(fake)});
  for (int connection = 1; connection <= 4; ++connection) {
    ASSERT_TRUE(retry_until([&] { return waiting >= connection; })) << connection;
    ASSERT_TRUE(waits_for_the_peer()) << connection;
    clock_.advance(kPublishBudget);
    ASSERT_TRUE(reached([](const auto& s) { return s.next_attempt.has_value(); })) << connection;
    EXPECT_NE(state().last_error, "");
  }
  EXPECT_FALSE(state().connected);
  EXPECT_EQ(seqnum, 0U);
}

TEST_F(AnnouncerTest, PingsAnIdlePeerAndLeavesADeadOne) {
  std::string tub;
  std::atomic<int> pings{0};
  FakeIntroducer fake([&](FakePeer& peer, int connection) {
    if (!peer.negotiate(tub) || !peer.accept_announcement()) return;
    if (connection > 1) return (void)peer.wait_closed();
    if (!peer.read_until(wire("8e"))) return;
    ++pings;
    peer.send(wire("8f"));
    if (!peer.read_until(wire("8e"))) return;
    ++pings;  // and no answer
    EXPECT_TRUE(peer.wait_closed());
  });
  tub = fake.tub_id();
  start({introducer(fake)});
  ASSERT_TRUE(reached([](const auto& s) { return s.connected; }));
  ASSERT_TRUE(sleeps_for(kKeepalive));
  clock_.advance(kKeepalive);
  ASSERT_TRUE(eventually([&] { return pings == 1; }));
  // Its answer begins a new period.
  ASSERT_TRUE(sleeps_for(kKeepalive));
  clock_.advance(kKeepalive);
  ASSERT_TRUE(eventually([&] { return pings == 2; }));
  ASSERT_TRUE(sleeps_for(kDisconnect - kKeepalive));
  EXPECT_TRUE(state().connected);
  clock_.advance(kDisconnect - kKeepalive);
  ASSERT_TRUE(retry_until([&] { return state().publications == 2; })) << state().last_error;
}

TEST_F(AnnouncerTest, GarbageEndsTheConnectionOnly) {
  std::string tub;
  const std::vector<std::string> plain = {"HTTP/1.1 500 Internal Server Error: no\r\n\r\n",
                                          "SSH-2.0-x\r\n\r\n",
                                          std::string(3 * kMaxBlockBytes, 'x'),
                                          "HTTP/1.1 101 x\r\n\r\n",
                                          "HTTP/1.1 101 x\r\nUpgrade: TLS/1.0\r\n\r\nmore",
                                          ""};
  const std::vector<std::string> inside = {wire("0088 0d87 0000000010 82"), wire("00c0"),
                                           wire("0088 0d87"), wire("058d 'sorry'"),
                                           wire("0088 0d87 0181 0188 0087 0189 0089")};
  FakeIntroducer fake([&](FakePeer& peer, int connection) {
    auto step = static_cast<std::size_t>(connection - 1);
    if (step < plain.size()) {
      if (peer.read_request()) peer.send(plain[step]);
      return;
    }
    step -= plain.size();
    if (!peer.negotiate(tub)) return;
    if (step < inside.size()) {
      peer.send(inside[step]);
      return;
    }
    if (peer.accept_announcement()) peer.wait_closed();
  });
  tub = fake.tub_id();
  start({introducer(fake)});
  ASSERT_TRUE(retry_until([&] { return state().connected; })) << state().last_error;
  EXPECT_EQ(state().attempts, plain.size() + inside.size() + 1);
  EXPECT_EQ(seqnum, 1U);
}

TEST_F(AnnouncerTest, AFloodAfterPublishingEndsTheConnection) {
  std::string tub;
  FakeIntroducer fake([&](FakePeer& peer, int connection) {
    if (!peer.negotiate(tub) || !peer.accept_announcement()) return;
    if (connection > 1) return (void)peer.wait_closed();
    const std::string pongs(4096, '\x8f');
    for (std::size_t sent = 0; sent < 4 * kMaxReceivedBytes; sent += pongs.size()) {
      if (!peer.send(pongs)) return;
    }
  });
  tub = fake.tub_id();
  start({introducer(fake)});
  ASSERT_TRUE(reached([](const auto& s) { return s.last_error.contains("without end"); }))
      << state().last_error;
  ASSERT_TRUE(retry_until([&] { return state().publications == 2; }));
}

TEST_F(AnnouncerTest, PausesGrowToAnHour) {
  FakeIntroducer fake([](FakePeer&, int) {});
  start({introducer(fake)});
  double expected = 1;
  for (int attempt = 1; attempt <= 12; ++attempt) {
    ASSERT_TRUE(reached([&](const auto& s) {
      return s.attempts == static_cast<std::uint64_t>(attempt) && s.next_attempt;
    }));
    const Duration pause = *state().next_attempt - clock_.utc_now();
    EXPECT_GE(std::chrono::duration<double>(pause).count(), 0.87 * expected);
    EXPECT_LE(std::chrono::duration<double>(pause).count(), 1.13 * expected);
    clock_.advance(pause + 1us);
    expected = std::min(expected * kPauseFactor, 3600.0);
  }
}

TEST_F(AnnouncerTest, OneThatIsDownDoesNotHoldUpOthers) {
  std::string tub;
  FakeIntroducer fake([&](FakePeer& peer, int) {
    if (peer.negotiate(tub) && peer.accept_announcement()) peer.wait_closed();
  });
  tub = fake.tub_id();
  start({introducer("down", std::string(kLowTub), 1),
         introducer(fake),
         {"no-hint", "pb://" + std::string(kHighTub) + "@tor:x.onion:1/name"},
         introducer("twice", tub, fake.port())});
  ASSERT_TRUE(eventually([&] { return state(1).connected; }));
  ASSERT_TRUE(eventually([&] { return !state(0).last_error.empty(); }));
  ASSERT_TRUE(eventually([&] { return state(2).last_error.contains("no tcp: hint"); }));
  EXPECT_THROW(state(3), std::out_of_range);
}

TEST_F(AnnouncerTest, WithoutANumberNothingIsPublished) {
  std::string tub;
  FakeIntroducer fake([&](FakePeer& peer, int) {
    if (peer.negotiate(tub) && peer.accept_announcement()) peer.wait_closed();
  });
  tub = fake.tub_id();
  seqnum_fails = true;
  start({introducer(fake)});
  ASSERT_TRUE(reached([](const auto& s) { return s.last_error.contains("disk full"); }));
  seqnum_fails = false;
  ASSERT_TRUE(retry_until([&] { return state().connected; }));
}

}  // namespace
}  // namespace sharestore::grid
