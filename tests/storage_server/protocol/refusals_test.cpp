#include "storage_server/protocol/refusals.h"

#include <gtest/gtest.h>

namespace sharestore {
namespace {

TEST(Refusals, TheFirstIsToldAtOnceAndAMinuteOfOthersInOneLine) {
  Refusals refusals;
  const Monotonic begun{std::chrono::hours(5)};
  const Error slow(Errc::timed_out, "the store is slow");
  EXPECT_EQ(refusals.note(begun, 503, "PATCH /storage/v1/immutable/aa/1", slow),
            "answered PATCH /storage/v1/immutable/aa/1 with 503: the store is slow");
  for (int i = 1; i <= 59; ++i) {
    EXPECT_EQ(refusals.note(begun + std::chrono::seconds(i), 503, "PATCH /x", slow), std::nullopt);
  }
  EXPECT_EQ(refusals.note(begun + Refusals::kPause, 507, "POST /y", Error(Errc::no_space, "full")),
            "answered POST /y with 507: full (59 other requests refused since the last line)");
  EXPECT_EQ(refusals.note(begun + 2 * Refusals::kPause, 503, "POST /y", slow),
            "answered POST /y with 503: the store is slow");
}

}  // namespace
}  // namespace sharestore
