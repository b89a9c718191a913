#include "storage_server/shares/range_set.h"

#include <gtest/gtest.h>

#include <random>

namespace sharestore {
namespace {

using Ranges = std::vector<ByteRange>;

TEST(RangeSet, JoinsNeighboursAndOverlaps) {
  RangeSet set;
  set.add({10, 20});
  set.add({30, 40});
  EXPECT_EQ(set.missing_in({0, 50}), (Ranges{{0, 10}, {20, 30}, {40, 50}}));
  EXPECT_EQ(set.present_in({15, 35}), (Ranges{{15, 20}, {30, 35}}));
  set.add({20, 30});
  EXPECT_EQ(set.ranges(), 1u);
  set.add({5, 45});
  EXPECT_EQ(set.missing_in({0, 50}), (Ranges{{0, 5}, {45, 50}}));
  EXPECT_TRUE(set.covers({5, 45}));
  EXPECT_FALSE(set.covers({4, 45}));
}

TEST(RangeSet, AgreesWithABitmap) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    RangeSet set;
    std::vector<bool> bits(64);
    for (int step = 0; step < 20; ++step) {
      const std::uint64_t begin = random() % 63;
      const std::uint64_t end = begin + 1 + random() % (64 - begin);
      set.add({begin, end});
      for (std::uint64_t at = begin; at < end; ++at) bits[at] = true;
      std::vector<bool> told(64);
      for (const ByteRange& range : set.present_in({0, 64})) {
        for (std::uint64_t at = range.begin; at < range.end; ++at) told[at] = true;
      }
      ASSERT_EQ(told, bits);
      for (const ByteRange& range : set.missing_in({0, 64})) {
        for (std::uint64_t at = range.begin; at < range.end; ++at) ASSERT_FALSE(bits[at]);
      }
    }
  }
}

}  // namespace
}  // namespace sharestore
