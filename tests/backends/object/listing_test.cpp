// Every share of a container, listed with few requests.
#include "backends/object/parallel_listing.h"

#include <gtest/gtest.h>

#include "backends/object/memory_container.h"
#include "tests/support/fake_clock.h"
#include "tests/support/object_place.h"
#include "tests/support/run_task.h"
#include "tests/support/shared_container.h"
#include "tests/support/test_data.h"

namespace sharestore {
namespace {

// As stores are that may give less than asked for: only an empty page is the end.
class NeverSure final : public SharedContainer {
 public:
  using SharedContainer::SharedContainer;

  Task<ObjectPage> list(OpContext context, std::string prefix, std::string after,
                        std::size_t limit) override {
    ++listings;
    auto page = co_await inner_->list(context, std::move(prefix), std::move(after), limit);
    if (page) page->more = !page->objects.empty();
    co_return page;
  }

  std::size_t listings = 0;
};

TEST(Listing, OfFewSharesLooksIntoNoFolder) {
  FakeClock clock;
  ObjectPlace place;
  const ObjectKeys keys("node-a/");
  NeverSure container(make_memory_container({}, clock));
  ParallelListing listing(container, keys, place.executor());
  const OpContext context = clock.context(std::chrono::hours(1));
  for (std::uint64_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(
        run_task(container.put(context, keys.share({test_index(i), 1}), text_source("x"), {})));
  }
  const auto whole = run_task(listing.next(context, {}, 1000));
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->objects.size(), 3u);
  EXPECT_FALSE(whole->more);
  EXPECT_EQ(container.listings, 2u);
  // A full page says nothing of the end.
  const auto full = run_task(listing.next(context, {}, 3));
  ASSERT_TRUE(full);
  EXPECT_TRUE(full->more);
  (void)run_task([&]() -> Task<void> {
    co_await listing.close();
    co_return Status{};
  }());
}

}  // namespace
}  // namespace sharestore
