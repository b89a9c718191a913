// What only the memory backend promises: its byte bound, and accounts that come out even.
#include "backends/memory/memory_backend.h"

#include <gtest/gtest.h>

#include "backends/memory/chunked_data.h"
#include "tests/support/fake_clock.h"
#include "tests/support/run_task.h"
#include "tests/support/test_data.h"

namespace sharestore {
namespace {

class MemoryBackendTest : public testing::Test {
 protected:
  std::uint64_t free_bytes() { return run_task(backend_->space(context()))->free_bytes; }
  OpContext context() { return clock_.context(); }
  Result<std::vector<ShareInfo>> commit(ShareChange change) {
    return run_task(
        backend_->commit_slot(context(), {kIndex, letter_secret('W'), {std::move(change)}}));
  }

  const StorageIndex kIndex = test_index(1);
  FakeClock clock_;
  std::unique_ptr<Backend> backend_ = make_memory_backend({.max_bytes = 1000});
};

TEST_F(MemoryBackendTest, ReservesUploadsWholeAndFreesThem) {
  auto writer = run_task(backend_->create_immutable(context(), {{kIndex, 0}, 600}));
  ASSERT_TRUE(writer);
  EXPECT_EQ(free_bytes(), 400u);
  const auto second = run_task(backend_->create_immutable(context(), {{kIndex, 1}, 401}));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), Errc::no_space);
  writer->reset();
  EXPECT_EQ(free_bytes(), 1000u);
  EXPECT_FALSE(run_task(backend_->create_immutable(context(), {{kIndex, 1}, ~std::uint64_t{0}})));
}

TEST_F(MemoryBackendTest, MutableGrowthIsBoundedShrinkingIsNot) {
  ShareChange grow;
  grow.writes.push_back({0, memory_source(pattern_bytes(900))});
  ASSERT_TRUE(commit(grow));
  EXPECT_EQ(free_bytes(), 100u);
  ShareChange more;
  more.writes.push_back({900, memory_source(pattern_bytes(200))});
  const auto refused = commit(more);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::no_space);
  EXPECT_EQ(free_bytes(), 100u);
  ShareChange shrink;
  shrink.truncate_to = 10;
  ASSERT_TRUE(commit(shrink));
  EXPECT_EQ(free_bytes(), 990u);
  ASSERT_TRUE(run_task(backend_->remove(context(), {kIndex, 0})));
  EXPECT_EQ(free_bytes(), 1000u);
}

TEST_F(MemoryBackendTest, HolesCostNothing) {
  ShareChange sparse;
  sparse.writes.push_back({std::uint64_t{1} << 40, text_source("")});
  ASSERT_TRUE(commit(sparse));
  EXPECT_EQ(free_bytes(), 1000u);
  const auto reader = run_task(backend_->open(context(), {kIndex, 0}));
  ASSERT_TRUE(reader);
  EXPECT_EQ((*reader)->info().data_bytes, std::uint64_t{1} << 40);
  EXPECT_EQ(run_task((*reader)->read(context(), 1'000'000, 3))->text(), std::string(3, '\0'));
}

TEST_F(MemoryBackendTest, ReadsWithinAChunkShareItsMemory) {
  ShareChange change;
  change.writes.push_back({0, memory_source(pattern_bytes(900))});
  ASSERT_TRUE(commit(change));
  const auto reader = run_task(backend_->open(context(), {kIndex, 0}));
  const auto a = run_task((*reader)->read(context(), 0, 900));
  const auto b = run_task((*reader)->read(context(), 0, 900));
  EXPECT_EQ(a->data(), b->data());
}

TEST(ChunkedData, AgreesWithAStringAcrossChunkEdges) {
  constexpr std::size_t kEdge = ChunkedData::kChunkBytes;
  ChunkedData data;
  std::string model;
  const auto write = [&](std::size_t offset, const std::string& text) {
    if (offset + text.size() > model.size()) {
      model.resize(offset + text.size(), '\0');
      data.resize(model.size());
    }
    ASSERT_TRUE(data.write(offset, *text_source(text)));
    model.replace(offset, text.size(), text);
  };
  const auto check = [&] {
    ASSERT_EQ(data.size(), model.size());
    EXPECT_TRUE(data.read(0, model.size()).text() == model);
  };
  write(2 * kEdge - 3, "across");
  check();
  write(kEdge - 1, "xy");
  check();
  const ChunkedData snapshot = data;
  const std::string before = model;
  for (const std::size_t size : {2 * kEdge + 1, 2 * kEdge, 2 * kEdge - 2, kEdge, kEdge - 1}) {
    data.resize(size);
    model.resize(size);
    check();
    data.resize(size + kEdge);
    model.resize(size + kEdge, '\0');
    check();
  }
  EXPECT_TRUE(snapshot.read(0, before.size()).text() == before);
}

}  // namespace
}  // namespace sharestore
