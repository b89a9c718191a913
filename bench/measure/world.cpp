#include "bench/measure/world.h"

#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "backends/disk/disk_backend.h"
#include "backends/memory/memory_backend.h"
#include "backends/object/memory_container.h"
#include "backends/object/object_backend.h"
#include "tests/support/temp_dir.h"

namespace sharestore::measure {
namespace {

namespace asio = boost::asio;

constexpr std::uint64_t kMemoryBytes = std::uint64_t{1} << 30;
constexpr std::size_t kPoolThreads = 4;

// Starts a backend, and stops it at the end.
class Started : public World {
 public:
  Backend& backend() override { return *backend_; }

 protected:
  void start(std::unique_ptr<Backend> backend) {
    backend_ = std::move(backend);
    run(1, [this](std::size_t) -> asio::awaitable<void> {
      must(co_await backend_->start(context()));
    });
  }
  void stop() {
    run(1,
        [this](std::size_t) -> asio::awaitable<void> { must(co_await backend_->stop(context())); });
    backend_.reset();
  }

  TempDir directory_;
  IoPool pool_{kPoolThreads};

 private:
  std::unique_ptr<Backend> backend_;
};

class MemoryWorld final : public Started {
 public:
  MemoryWorld() { start(make_memory_backend({.max_bytes = kMemoryBytes})); }
  ~MemoryWorld() override { stop(); }
};

class DiskWorld final : public Started {
 public:
  DiskWorld() {
    DiskOptions options;
    options.storage_directory = directory_ / "storage";
    start(must(make_disk_backend(options, journal, pool_, clock)));
  }
  ~DiskWorld() override { stop(); }
};

class ObjectWorld final : public Started {
 public:
  ObjectWorld() {
    MemoryContainerOptions container;
    ObjectBackendOptions options;
    options.spool_directory = directory_ / "incoming";
    options.instance_file = directory_ / "instance";
    options.node_name = "bench";
    start(make_object_backend(make_memory_container(container, clock), std::move(options), journal,
                              pool_, clock, background_.get_executor()));
  }
  ~ObjectWorld() override {
    stop();
    guard_.reset();
    background_.stop();
    thread_.join();
  }

 private:
  asio::io_context background_{1};
  asio::executor_work_guard<asio::io_context::executor_type> guard_{background_.get_executor()};
  std::thread thread_{[this] { background_.run(); }};
};

}  // namespace

void World::run(std::size_t count, const std::function<asio::awaitable<void>(std::size_t)>& task) {
  for (std::size_t i = 0; i < count; ++i) {
    asio::co_spawn(loop, task(i), [](const std::exception_ptr& error) {
      if (error) std::rethrow_exception(error);
    });
  }
  loop.restart();
  loop.run();
}

std::vector<std::string> world_names() { return {"memory", "disk", "object_over_memory"}; }

std::unique_ptr<World> make_world(const std::string& name) {
  if (name == "memory") return std::make_unique<MemoryWorld>();
  if (name == "disk") return std::make_unique<DiskWorld>();
  return std::make_unique<ObjectWorld>();
}

void give_up(const Error& error) {
  fmt::print(stderr, "benchmark: {}\n", error.message());
  std::exit(1);
}

}  // namespace sharestore::measure
