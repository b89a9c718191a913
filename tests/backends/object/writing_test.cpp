// What reaches the store of a share that is written: its parts, its header, and what is told of
// parts that were refused.
#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <thread>

#include "backends/share_file/layout.h"
#include "tests/backends/object/object_fixture.h"

namespace sharestore {
namespace {

class Writing : public ObjectTest {
 protected:
  // As write(), and the share ends where the text does.
  Status replace(ShareId share, std::string_view text) {
    ShareChange change;
    change.number = share.number;
    change.writes.push_back({0, text_source(text)});
    change.truncate_to = text.size();
    auto done =
        run(backend_->commit_slot(context(), {share.storage_index, letter_secret('W'), {change}}));
    if (!done) return fail(done.error());
    return {};
  }
};

// W14: as a disk node reads it that the object is copied to.
TEST_F(Writing, TheHeaderTellsWhereFurtherLeasesLieAfterEveryWrite) {
  for (const std::size_t bytes : {10u, 100u, 200'000u, 30u, 0u, 64u, 70'000u, 1u}) {
    must(replace(kOne, pattern_text(bytes)));
    const std::string file = object(keys_.share(kOne));
    ASSERT_GE(file.size(), kMutableMinBytes) << bytes;
    EXPECT_EQ(get_u64(&file[kMutableLengthOffset]), bytes);
    const std::uint64_t further = get_u64(&file[kMutableExtraOffsetOffset]);
    EXPECT_GE(further, kMutableDataOffset + bytes);
    ASSERT_EQ(further + kExtraCountBytes, file.size()) << bytes;
    EXPECT_EQ(get_u32(&file[further]), 0u) << bytes;
  }
}

// W36: parts of a size that divides the object's.
TEST_F(Writing, ObjectsOfWholePartsHaveNoEmptyOneAtTheirEnd) {
  const std::uint64_t part = place_.options().part_bytes;
  for (const std::uint64_t parts : {1u, 2u, 3u}) {
    const std::string immutable = pattern_text(parts * part - kImmutableHeaderBytes);
    const std::string slot = pattern_text(parts * part - kMutableMinBytes);
    faults_->forget_calls();
    const ShareId share{test_index(10 + parts), 0};
    ASSERT_TRUE(upload(share, immutable));
    must(replace({test_index(20 + parts), 0}, slot));
    EXPECT_EQ(faults_->count("upload_part"), parts == 1 ? 0 : 2 * parts);
    EXPECT_EQ(content(share), immutable);
    EXPECT_EQ(content({test_index(20 + parts), 0}), slot);
  }
}

// W34: what was read before a write is not what is read after it.
TEST_F(Writing, BlocksReadBeforeAWriteAreNotReadAfterIt) {
  for (unsigned round = 0; round < 4; ++round) {
    const std::string text = pattern_text(600'000, round);
    must(replace(kOne, text));
    EXPECT_TRUE(content(kOne) == text) << round;
    EXPECT_TRUE(content(kOne) == text) << round << ", out of memory";
  }
}

// W34: not what came of it later, nor that there was one.
TEST_F(Writing, TheFirstRefusalOfAPartIsWhatEverybodyIsTold) {
  std::atomic<int> refused = 0;
  faults_->set_plain([&refused](const ContainerCall& call) -> Status {
    if (call.name != "upload_part" || call.after) return {};
    return fail(Errc::unavailable, "disk " + std::to_string(++refused) + " of the store is full");
  });
  constexpr std::size_t kBytes = 300'000;
  auto begun = begin(kOne, kBytes);
  ASSERT_TRUE(begun);
  ShareWriter& writer = **begun;
  (void)run(writer.write(context(), 0, pattern_bytes(kBytes - 1)));
  Result<std::uint64_t> ready = 1;
  for (int tries = 0; tries < 100'000 && ready; ++tries) {
    std::this_thread::yield();
    ready = run(writer.ready(context(), kBytes - 1, 1));
  }
  const auto is_told = [](const auto& outcome) {
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code(), Errc::unavailable);
    EXPECT_THAT(outcome.error().message(), testing::HasSubstr("disk 1 of the store is full"));
  };
  is_told(ready);
  is_told(run(writer.write(context(), kBytes - 1, pattern_bytes(1))));
  is_told(run(writer.commit(context(), {})));
  is_told(run(writer.commit(context(), {})));
  must(run(writer.abort(context())));
  EXPECT_EQ(multiparts(), 0u);
}

// W11: a part that arrived behind the abort would stay.
TEST_F(Writing, AnAbortWaitsForThePartsOnTheirWay) {
  std::promise<void> sending;
  std::atomic<bool> held = false;
  faults_->set([&](ContainerCall call) -> Task<void> {
    if (call.name != "upload_part" || call.after || held.exchange(true)) co_return Status{};
    const Monotonic until = clock_.now() + std::chrono::minutes(1);
    sending.set_value();
    co_await clock_.sleep_until(until);
    co_return Status{};
  });
  auto begun = begin(kOne, 200'000);
  ASSERT_TRUE(begun);
  must(run((*begun)->write(context(), 0, pattern_bytes(150'000))));
  sending.get_future().wait();
  // Who aborts does not wait so long; the abort itself does.
  must(run((*begun)->abort(context(Duration::zero()))));
  const std::string key = keys_.share(kOne);
  EXPECT_EQ(faults_->count("abort_multipart"), 0u);
  clock_.advance(std::chrono::minutes(2));
  close();
  EXPECT_EQ(faults_->count("abort_multipart"), 1u);
  const auto calls = faults_->calls();
  const auto aborted = std::ranges::find(calls, "abort_multipart " + key);
  EXPECT_EQ(std::count(calls.begin(), aborted, "upload_part " + key), 2) << "all parts came first";
  EXPECT_EQ(multiparts(), 0u);
}

}  // namespace
}  // namespace sharestore
