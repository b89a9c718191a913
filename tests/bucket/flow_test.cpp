// Stores that are slow, full or down: what a client waits for, and what it is told.
#include "tests/bucket/bucket_fixture.h"

#include <gmock/gmock.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_future.hpp>

#include <mutex>

#include "backends/core/async_event.h"
#include "backends/share_file/layout.h"

namespace sharestore {
namespace {

class BucketFlow : public BucketTest {
 protected:
  void SetUp() override {
    rebuild();
    // The index is believed again.
    clock_.advance(std::chrono::hours(25));
  }

  // Runs while the fake clock goes on whenever everything waits for it; answers how long it took.
  template <class T>
  std::pair<T, Duration> timed(boost::asio::awaitable<T> task) {
    const Monotonic begun = clock_.now();
    T result = run_moving(std::move(task));
    return {std::move(result), clock_.now() - begun};
  }

  // Every change takes as long as its bytes need at this rate, each connection for itself.
  void slow_store(std::uint64_t bytes_per_second, std::uint64_t bytes) {
    faults_->set([this, bytes_per_second, bytes](ContainerCall call) -> Task<void> {
      if (!call.changes() || call.after) co_return Status{};
      const bool is_content = call.name == "put" || call.name == "upload_part";
      const double seconds =
          is_content ? static_cast<double>(bytes) / static_cast<double>(bytes_per_second) : 0.05;
      co_await clock_.sleep_until(clock_.now() + std::chrono::duration_cast<Duration>(
                                                     std::chrono::duration<double>(seconds)));
      co_return Status{};
    });
  }
  // The same for one line that all connections share.
  void slow_line(double bytes_per_second, std::uint64_t bytes) {
    const auto takes = std::chrono::duration_cast<Duration>(
        std::chrono::duration<double>(static_cast<double>(bytes) / bytes_per_second));
    faults_->set([this, takes](ContainerCall call) -> Task<void> {
      if (call.after || (call.name != "put" && call.name != "upload_part")) co_return Status{};
      Monotonic done;
      {
        const std::lock_guard hold(line_mutex_);
        line_free_ = std::max(line_free_, clock_.now()) + takes;
        done = line_free_;
      }
      co_await clock_.sleep_until(done);
      co_return Status{};
    });
  }

  struct Sent {
    Status status;
    Duration longest{};
  };
  // One request, as the protocol's handler goes through it.
  Task<void> send_piece(UploadHandle& upload, std::uint64_t at, Bytes bytes) {
    const OpContext request = context(std::chrono::seconds(50));
    for (std::size_t done = 0; done < bytes.size();) {
      auto room = co_await upload.ready(request, at + done, bytes.size() - done);
      if (!room) co_return fail(room.error());
      auto wrote = co_await upload.write(request, at + done, bytes.slice(done, *room));
      if (!wrote) co_return wrote;
      done += *room;
    }
    auto finished = co_await upload.finish_write(request);
    if (!finished) co_return fail(finished.error());
    co_return Status{};
  }
  // As a client does it that sends at once whatever is read: one request for each piece.
  boost::asio::awaitable<Sent> send_share(ShareId share, std::string data, std::size_t piece) {
    Sent sent;
    auto allocated =
        co_await store_->allocate(context(), share.storage_index, {share.number}, data.size(),
                                  letter_secrets('r', 'c'), letter_secret('u'));
    if (!allocated) co_return Sent{fail(allocated.error()), {}};
    auto upload = store_->find_upload(share, letter_secret('u'));
    if (!upload) co_return Sent{fail(upload.error()), {}};
    for (std::size_t at = 0; at < data.size() && sent.status; at += piece) {
      const Monotonic begun = clock_.now();
      sent.status = co_await send_piece(**upload, at, Bytes::copy_of(data.substr(at, piece)));
      sent.longest = std::max(sent.longest, clock_.now() - begun);
    }
    co_return sent;
  }

  // As many of them side by side as `sent` has places.
  boost::asio::awaitable<Status> send_shares(std::string data, std::size_t piece,
                                             std::vector<Sent>& sent) {
    std::size_t left = sent.size();
    AsyncEvent all;
    const auto executor = co_await boost::asio::this_coro::executor;
    const auto one = [&](std::size_t i) -> boost::asio::awaitable<void> {
      sent[i] = co_await send_share({test_index(i), 0}, data, piece);
      if (--left == 0) all.set();
    };
    for (std::size_t i = 0; i < sent.size(); ++i) {
      boost::asio::co_spawn(executor, one(i), boost::asio::detached);
    }
    co_await all.wait();
    co_return Status{};
  }

 private:
  std::mutex line_mutex_;
  Monotonic line_free_{};
};

TEST_F(BucketFlow, NoRequestOfAClientRunsIntoItsMinuteWithASlowStore) {
  // Parts of 64 KiB that take 2 s each, four at once: 128 KiB/s. The client would send at once.
  slow_store(32 * 1024, 64 * 1024);
  const ShareId share{test_index(3), 0};
  constexpr std::size_t kBytes = 8 << 20;
  ASSERT_TRUE(allocate(share, kBytes));
  auto upload = store_->find_upload(share, letter_secret('u'));
  ASSERT_TRUE(upload);
  const std::string data = pattern_text(kBytes);
  Duration longest{};
  constexpr std::size_t kPiece = 128 * 1024;
  for (std::size_t at = 0; at < kBytes; at += kPiece) {
    auto [sent, took] = timed(send_piece(**upload, at, Bytes::copy_of(data.substr(at, kPiece))));
    ASSERT_TRUE(sent) << sent.error().message();
    longest = std::max(longest, took);
  }
  EXPECT_LT(longest, std::chrono::seconds(50));
  RecordProperty(
      "longest_request_ms",
      std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(longest).count()));
  faults_->clear();
  EXPECT_EQ(content(share, kImmutable), data);
}

// Each upload may have four parts under way, 64 s of this line in all: they must take turns. The
// object is four parts to the byte: a few more would cost this line a whole second.
TEST_F(BucketFlow, NoRequestRunsIntoItsMinuteWhenManyUploadAtOnce) {
  constexpr std::size_t kUploads = 16;
  constexpr std::size_t kPartBytes = 64 * 1024;
  slow_line(kPartBytes, kPartBytes);
  const std::string data = pattern_text(4 * kPartBytes - kImmutableHeaderBytes);
  std::vector<Sent> results(kUploads);
  // Small steps: while a thread of a pool works, the clock goes on too.
  must(run_moving(send_shares(data, kPartBytes / 4, results), std::chrono::milliseconds(20)));
  Duration longest{};
  for (std::size_t i = 0; i < kUploads; ++i) {
    EXPECT_TRUE(results[i].status) << i << ": " << results[i].status.error().message();
    longest = std::max(longest, results[i].longest);
  }
  EXPECT_LT(longest, std::chrono::seconds(50));
  RecordProperty(
      "longest_request_ms",
      std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(longest).count()));
  faults_->clear();
  EXPECT_TRUE(content({test_index(kUploads - 1), 0}, kImmutable) == data);
}

TEST_F(BucketFlow, AStoreThatTakesNothingEndsTheRequestInTime) {
  faults_->set([this](ContainerCall call) -> Task<void> {
    if (call.name == "upload_part" && !call.after) {
      co_await clock_.sleep_until(clock_.now() + std::chrono::minutes(4));
      co_return fail(Errc::timed_out, "stalled");
    }
    co_return Status{};
  });
  const ShareId share{test_index(3), 0};
  ASSERT_TRUE(allocate(share, 4 << 20));
  auto upload = store_->find_upload(share, letter_secret('u'));
  ASSERT_TRUE(upload);
  const OpContext budget = context(std::chrono::seconds(50));
  auto [wrote, took] = timed((*upload)->write(budget, 0, pattern_bytes(4 << 20)));
  EXPECT_LE(took, std::chrono::seconds(51));
  if (wrote) {
    auto [finished, more] = timed((*upload)->finish_write(budget));
    EXPECT_FALSE(finished);
    EXPECT_LE(took + more, std::chrono::seconds(51));
  }
}

TEST_F(BucketFlow, W36_AShareOfWholePartsHasNoEmptyOneAtItsEnd) {
  faults_->forget_calls();
  const std::string data = pattern_text(2 * backend_options().part_bytes - kImmutableHeaderBytes);
  must(put(kOne, data));
  EXPECT_EQ(faults_->count("upload_part"), 2u);
  EXPECT_EQ(content(kOne, kImmutable), data);
}

TEST_F(BucketFlow, W34_WhyAPartWasRefusedIsWhatTheClientIsTold) {
  faults_->set_plain([](const ContainerCall& call) -> Status {
    if (call.name != "upload_part") return {};
    return fail(Errc::unavailable, "the disks of the store are on fire");
  });
  const ShareId share{test_index(3), 0};
  ASSERT_TRUE(allocate(share, 300'000));
  auto upload = store_->find_upload(share, letter_secret('u'));
  ASSERT_TRUE(upload);
  if (const Status wrote = run((*upload)->write(context(), 0, pattern_bytes(300'000))); wrote) {
    const auto finished = run((*upload)->finish_write(context()));
    ASSERT_FALSE(finished);
    EXPECT_EQ(finished.error().code(), Errc::unavailable);
    EXPECT_THAT(finished.error().message(), testing::HasSubstr("on fire"));
  } else {
    EXPECT_THAT(wrote.error().message(), testing::HasSubstr("on fire"));
  }
}

TEST_F(BucketFlow, W28_AStoreThatIsDownHasNoRoomAndRecoversByItself) {
  must(put(kOne, "before"));
  const std::uint64_t room = store_->space().available_bytes;
  EXPECT_GT(room, 0u);
  faults_->set_plain([](const ContainerCall&) { return fail(Errc::unavailable, "down"); });
  faults_->set_health({false, "the store cannot be reached"});
  EXPECT_EQ(store_->space().available_bytes, 0u);
  EXPECT_EQ(store_->space().max_immutable_bytes, 0u);
  EXPECT_FALSE(backend_->health().ok);
  const auto allocated = allocate({test_index(8), 0}, 10);
  ASSERT_TRUE(allocated);
  EXPECT_TRUE(allocated->allocated.empty());
  EXPECT_EQ(list(kOne.storage_index, kImmutable), "1 ") << "what the node has is known";
  faults_->clear();
  faults_->set_health({});
  EXPECT_GT(store_->space().available_bytes, 0u);
  must(put({test_index(8), 0}, "after"));
}

TEST_F(BucketFlow, AStoreThatIsDownAtTheStartIsWaitedFor) {
  must(put(kOne, "before"));
  stop();
  faults_->set_plain([](const ContainerCall&) { return fail(Errc::unavailable, "down"); });
  faults_->set_health({false, "the store cannot be reached"});
  start();
  EXPECT_EQ(content(kOne, kImmutable), "<unavailable>");
  EXPECT_EQ(write(kSlot.storage_index, {{1, "x"}}).error().code(), Errc::unavailable);
  EXPECT_EQ(store_->space().available_bytes, 0u);
  EXPECT_FALSE(backend_->health().ok);
  faults_->clear();
  faults_->set_health({});
  (void)run_moving([](Backend& backend, FakeClock& clock) -> boost::asio::awaitable<Status> {
    for (int i = 0; i < 100 && !backend.health().ok; ++i) {
      co_await clock.sleep_until(clock.now() + std::chrono::seconds(1));
    }
    co_return Status{};
  }(*backend_, clock_));
  EXPECT_TRUE(backend_->health().ok) << backend_->health().sentence;
  EXPECT_EQ(content(kOne, kImmutable), "before");
}

TEST_F(BucketFlow, TheQuotaIsWhatMayBeKept) {
  stop();
  sizelimit_bytes_ = 10'000;
  start();
  EXPECT_LE(store_->space().available_bytes, 10'000u);
  must(put(kOne, pattern_text(6000)));
  EXPECT_LE(store_->space().available_bytes, 4000u);
  EXPECT_LE(store_->space().max_immutable_bytes, store_->space().available_bytes);
  const auto refused = allocate({test_index(8), 0}, 6000);
  ASSERT_TRUE(refused);
  EXPECT_TRUE(refused->allocated.empty());
  must(put({test_index(8), 0}, pattern_text(3000)));
}

TEST_F(BucketFlow, TheLargestShareIsWhatTheStoreHolds) {
  stop();
  MemoryContainerOptions small;
  small.traits.max_object_bytes = 1 << 20;
  container_ = make_memory_container(small, clock_);
  place_ = std::make_unique<ObjectPlace>();
  start();
  must(run(store_->start(context())));
  EXPECT_LE(store_->space().max_immutable_bytes, 1u << 20);
  EXPECT_GT(store_->space().available_bytes, 1u << 20);
}

}  // namespace
}  // namespace sharestore
