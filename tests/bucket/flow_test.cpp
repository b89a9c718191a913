// Stores that are slow, full or down: what a client waits for, and what it is told.
#include "tests/bucket/bucket_fixture.h"

#include <gmock/gmock.h>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>

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
    const OpContext budget = context(std::chrono::seconds(50));
    auto [wrote, took] =
        timed((*upload)->write(budget, at, Bytes::copy_of(data.substr(at, kPiece))));
    ASSERT_TRUE(wrote) << wrote.error().message();
    auto [finished, more] = timed((*upload)->finish_write(budget));
    ASSERT_TRUE(finished) << finished.error().message();
    longest = std::max(longest, took + more);
  }
  EXPECT_LT(longest, std::chrono::seconds(50));
  RecordProperty(
      "longest_request_ms",
      std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(longest).count()));
  faults_->clear();
  EXPECT_EQ(content(share, kImmutable), data);
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
