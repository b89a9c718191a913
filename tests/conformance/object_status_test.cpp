// What a backend over a container tells of its own work.
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <memory>
#include <string>

#include "backends/object/memory_container.h"
#include "tests/conformance/object_world.h"
#include "tests/support/run_task.h"

namespace sharestore {
namespace {

class SkewedContainer final : public SharedContainer {
 public:
  using SharedContainer::SharedContainer;
  ContainerStatus status() const override {
    ContainerStatus status;
    status.clock_known = true;
    status.clock_offset_seconds = -7;
    status.traffic = StoreTraffic{50, 4, 1, 1000, 2000};
    return status;
  }
};

class SkewedWorld final : public ObjectWorld {
 protected:
  std::shared_ptr<ObjectContainer> make_container() override {
    return std::make_shared<SkewedContainer>(
        std::shared_ptr<ObjectContainer>(make_memory_container({}, clock)));
  }
};

TEST(ObjectStatus, TellsTheStoresClockItsTrafficAndTheCache) {
  SkewedWorld world;
  const auto backend = world.open_backend();
  const auto context = [&] { return world.clock.context(); };
  ASSERT_TRUE(run_task(backend->start(context())));
  const std::string data(20'000, 'x');
  auto writer = run_task(backend->create_immutable(context(), {ShareId{}, data.size()}));
  ASSERT_TRUE(writer);
  const Status written = run_task((*writer)->write(context(), 0, Bytes::copy_of(data)));
  ASSERT_TRUE(written) << written.error().message();
  ASSERT_TRUE(run_task((*writer)->commit(context(), {})));
  writer->reset();
  const auto reader = run_task(backend->open(context(), ShareId{}));
  ASSERT_TRUE(reader);
  std::array<std::byte, 1000> into{};
  EXPECT_EQ((*reader)->read_now(0, into), into.size());

  const BackendStatus status = backend->status();
  EXPECT_EQ(status.clock_offset_seconds, -7);
  ASSERT_TRUE(status.traffic);
  EXPECT_EQ(status.traffic->retries, 4U);
  ASSERT_TRUE(status.cache);
  EXPECT_EQ(status.cache->hits, 1U);
  EXPECT_TRUE(run_task(backend->stop(context())));
}

}  // namespace
}  // namespace sharestore
