// What reading costs in requests, and how a slow answer is got round.
#include "backends/object/block_cache.h"
#include "backends/object/hedged_get.h"
#include "tests/backends/object/object_fixture.h"
#include "tests/support/run_moving.h"

namespace sharestore {
namespace {

class Reading : public ObjectTest {
 protected:
  static constexpr std::size_t kPiece = 128 * 1024;

  void open_with_cache(std::uint64_t bytes) {
    ObjectBackendOptions options = place_.options();
    options.cache_bytes = bytes;
    open(options);
  }
  std::shared_ptr<ShareReader> open_share(ShareId share) {
    auto reader = run(backend_->open(context(), share));
    EXPECT_TRUE(reader);
    return reader ? *reader : nullptr;
  }
  std::string read(ShareReader& reader, std::uint64_t offset, std::size_t bytes) {
    const auto got = run(reader.read(context(), offset, bytes));
    EXPECT_TRUE(got) << (got ? "" : got.error().message());
    return got ? std::string(got->text()) : "";
  }
};

TEST_F(Reading, AShareReadInPiecesIsFewRequests) {
  open_with_cache(64 << 20);
  const std::string data = pattern_text(16 << 20);
  ASSERT_TRUE(upload(kOne, data));
  const auto reader = open_share(kOne);
  faults_->forget_calls();
  for (std::size_t at = 0; at < data.size(); at += kPiece) {
    ASSERT_EQ(read(*reader, at, kPiece), data.substr(at, kPiece)) << at;
  }
  // Requests are 2 MiB once it is clear that the client reads on.
  EXPECT_LE(faults_->count("get"), 16u);
}

// As the node reads: what is in memory is taken without waiting, and only the rest is read.
TEST_F(Reading, ReadsOutOfMemoryAreReadingOnToo) {
  open_with_cache(64 << 20);
  const std::string data = pattern_text(16 << 20);
  ASSERT_TRUE(upload(kOne, data));
  const auto reader = open_share(kOne);
  faults_->forget_calls();
  std::size_t out_of_memory = 0;
  for (std::size_t at = 0; at < data.size(); at += kPiece) {
    std::vector<std::byte> piece(kPiece);
    const auto now = reader->read_now(at, piece);
    out_of_memory += now ? 1 : 0;
    const std::string got = now ? std::string(as_text(piece)) : read(*reader, at, kPiece);
    ASSERT_EQ(got, data.substr(at, kPiece)) << at;
  }
  EXPECT_GE(out_of_memory, data.size() / kPiece / 2);
  EXPECT_LE(faults_->count("get"), 16u);
}

TEST_F(Reading, InterleavedReadersEachReadAhead) {
  open_with_cache(64 << 20);
  const std::string data = pattern_text(16 << 20);
  ASSERT_TRUE(upload(kOne, data));
  const auto reader = open_share(kOne);
  faults_->forget_calls();
  // Blocks from the front, hash trees from the end, another client from the middle.
  for (std::size_t at = 0; at < data.size() / 4; at += kPiece) {
    ASSERT_EQ(read(*reader, at, kPiece), data.substr(at, kPiece));
    ASSERT_EQ(read(*reader, data.size() - 4096, 4096), data.substr(data.size() - 4096));
    const std::size_t middle = data.size() / 2 + at;
    ASSERT_EQ(read(*reader, middle, kPiece), data.substr(middle, kPiece));
  }
  // 96 reads; where one reader's blocks are on their way the other's requests become shorter.
  EXPECT_LE(faults_->count("get"), 48u);
}

// Each would fill half of the cache by itself.
TEST_F(Reading, ReadersThatPushOutEachOthersBlocksAskForLess) {
  open_with_cache(16 << 20);
  constexpr std::size_t kReaders = 6;
  const std::string data = pattern_text(24 << 20);
  std::vector<std::shared_ptr<ShareReader>> readers;
  for (std::size_t i = 0; i < kReaders; ++i) {
    ASSERT_TRUE(upload({test_index(10 + i), 0}, data));
    readers.push_back(open_share({test_index(10 + i), 0}));
  }
  faults_->forget_calls();
  for (std::size_t at = 0; at < data.size(); at += kPiece) {
    for (const auto& reader : readers)
      ASSERT_EQ(read(*reader, at, kPiece), data.substr(at, kPiece));
  }
  // About 1.8 times what they read, more where answers come late; 3.3 to 5 times if each went on
  // asking for as much as it could.
  EXPECT_LE(faults_->bytes_got(), 3 * kReaders * data.size());
}

TEST_F(Reading, TheFirstBlockBringsTheNextOnesAHeaderDoesNot) {
  const std::string data = pattern_text(1 << 20);
  ASSERT_TRUE(upload(kOne, data));
  const auto reader = open_share(kOne);
  faults_->forget_calls();
  EXPECT_EQ(read(*reader, 0, 1000), data.substr(0, 1000));
  EXPECT_EQ(faults_->count("get"), 0u) << "opening read the header";
  for (std::size_t at = 1000; at < data.size(); at += kPiece) {
    ASSERT_EQ(read(*reader, at, kPiece), data.substr(at, kPiece)) << at;
  }
  EXPECT_EQ(faults_->count("get"), 1u);
}

TEST_F(Reading, WhatWasDroppedBeforeItWasReadIsFetchedInLargePiecesAgain) {
  open_with_cache(16 << 20);
  const std::string data = pattern_text(12 << 20);
  const std::string other = pattern_text(17 << 20);
  ASSERT_TRUE(upload(kOne, data));
  ASSERT_TRUE(upload({test_index(2), 0}, other));
  const auto reader = open_share(kOne);
  std::size_t at = 0;
  for (; at < data.size() / 3; at += kPiece) read(*reader, at, kPiece);
  // All that was read ahead goes to make room.
  read(*open_share({test_index(2), 0}), 0, other.size());
  faults_->forget_calls();
  for (; at < 2 * data.size() / 3; at += kPiece) {
    ASSERT_EQ(read(*reader, at, kPiece), data.substr(at, kPiece)) << at;
  }
  EXPECT_LE(faults_->count("get"), 8u);
}

TEST_F(Reading, RandomReadsFetchNoMoreThanTheyTouch) {
  const std::string data = pattern_text(8 << 20);
  ASSERT_TRUE(upload(kOne, data));
  const auto reader = open_share(kOne);
  for (const std::size_t at : {7'000'000ul, 1'000'000ul, 5'000'000ul, 3'000'000ul, 6'100'000ul}) {
    faults_->forget_calls();
    EXPECT_EQ(read(*reader, at, 1000), data.substr(at, 1000));
    EXPECT_EQ(faults_->count("get"), 1u);
  }
}

TEST_F(Reading, EqualReadsAreOneRequest) {
  const std::string data = pattern_text(1 << 20);
  ASSERT_TRUE(upload(kOne, data));
  const auto reader = open_share(kOne);
  faults_->forget_calls();
  boost::asio::io_context loop(1);
  std::vector<std::optional<Result<Bytes>>> answers(20);
  for (auto& answer : answers) {
    boost::asio::co_spawn(
        loop, test_detail::store_result(reader->read(context(), 700'000, 1000), &answer),
        boost::asio::detached);
  }
  loop.run();
  for (auto& answer : answers) EXPECT_EQ((*answer)->text(), data.substr(700'000, 1000));
  EXPECT_EQ(faults_->count("get"), 1u);
}

TEST_F(Reading, TheCacheStaysWithinItsBytes) {
  // Twice the cache, read twice: the second time costs the same.
  const std::string data = pattern_text(8 << 20);
  ASSERT_TRUE(upload(kOne, data));
  const auto reader = open_share(kOne);
  std::size_t first = 0;
  for (int round = 0; round < 2; ++round) {
    faults_->forget_calls();
    for (std::size_t at = 0; at < data.size(); at += kPiece) {
      ASSERT_EQ(read(*reader, at, kPiece), data.substr(at, kPiece));
    }
    if (round == 0) first = faults_->count("get");
  }
  EXPECT_GE(faults_->count("get") + 2, first);
}

// Gets straight through the hedge, each of the same length.
class Hedge : public ObjectTest {
 protected:
  static constexpr std::uint64_t kBytes = 1000;

  void SetUp() override {
    put_object("x", pattern_text(kBytes));
    store_ = std::make_unique<FaultContainer>(container_, faults_);
    gets_ = std::make_unique<HedgedGets>(*store_, place_.executor(), clock_);
    stall_every(0);
    for (int i = 0; i < 32; ++i) EXPECT_TRUE(get().first);
    EXPECT_EQ(gets_->hedges(), 0u);
    faults_->forget_calls();
  }
  void TearDown() override {
    (void)sharestore::run_moving(clock_, place_.executor(), [](HedgedGets& gets) -> Task<void> {
      co_await gets.close();
      co_return Status{};
    }(*gets_));
    gets_.reset();
  }

  // Every answer takes 50 ms; each `nth` takes 5 s.
  void stall_every(std::size_t nth) {
    faults_->set(
        [this, nth, seen = std::make_shared<std::size_t>(0)](ContainerCall call) -> Task<void> {
          if (call.name != "get" || call.after) co_return Status{};
          const bool stalls = nth != 0 && ++*seen % nth == 0;
          co_await clock_.sleep_until(clock_.now() + (stalls ? std::chrono::milliseconds(5000)
                                                             : std::chrono::milliseconds(50)));
          co_return Status{};
        });
  }
  // The clock moves in steps so small that they tell 50 ms from 100 ms, unless told otherwise.
  std::pair<Result<ObjectBytes>, Duration> get(Duration step = std::chrono::milliseconds(10)) {
    const Monotonic begun = clock_.now();
    auto answer = sharestore::run_moving(
        clock_, place_.executor(),
        gets_->get(context(std::chrono::seconds(50)), "x", 0, kBytes, Freshness::any), step);
    return {std::move(answer), clock_.now() - begun};
  }

  std::unique_ptr<FaultContainer> store_;
  std::unique_ptr<HedgedGets> gets_;
};

TEST_F(Hedge, AStalledRequestIsAskedTwice) {
  faults_->set([this, first = std::make_shared<bool>(true)](ContainerCall call) -> Task<void> {
    if (call.after) co_return Status{};
    const bool stalls = std::exchange(*first, false);
    co_await clock_.sleep_until(clock_.now() + std::chrono::milliseconds(stalls ? 5000 : 50));
    co_return Status{};
  });
  const auto [answer, took] = get();
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->bytes.text(), pattern_text(kBytes));
  // Of 50 ms each; so little more than two of them that those who wait still see no stall.
  EXPECT_LT(took, std::chrono::milliseconds(140)) << took.count() << " ns on the fake clock";
  EXPECT_EQ(gets_->hedges(), 1u);
}

TEST_F(Hedge, AStoreThatIsSlowAsAWholeIsNotAskedTwiceAsOften) {
  constexpr std::chrono::milliseconds kStep{100};
  stall_every(1);
  for (int i = 0; i < 12; ++i) EXPECT_TRUE(get(kStep).first);
  EXPECT_LE(gets_->hedges(), 6u);
  for (int i = 0; i < 30; ++i) EXPECT_TRUE(get(kStep).first);
  EXPECT_LE(static_cast<double>(gets_->hedges()),
            5 + HedgedGets::kHedgeShare * static_cast<double>(gets_->gets()));
}

TEST_F(Hedge, AnAnswerThatIsAnErrorIsNotWaitedFor) {
  faults_->set_plain([](const ContainerCall&) { return fail(Errc::unavailable, "down"); });
  const auto [answer, took] = get();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), Errc::unavailable);
  EXPECT_LT(took, std::chrono::milliseconds(200));
  EXPECT_EQ(gets_->hedges(), 0u);
}

TEST_F(Hedge, TheDeadlineEndsIt) {
  faults_->set([this](ContainerCall) -> Task<void> {
    co_await clock_.sleep_until(clock_.now() + std::chrono::minutes(5));
    co_return Status{};
  });
  const auto [answer, took] = get(std::chrono::milliseconds(500));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), Errc::timed_out);
  EXPECT_LE(took, std::chrono::seconds(51));
}

}  // namespace
}  // namespace sharestore
