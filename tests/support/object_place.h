// Where a backend over an object container runs in tests: its directory, its loop's thread, its I/O
// pool. Outlives the backends opened in it; their spool and instance file outlive each of them.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>

#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "backends/core/io_pool.h"
#include "backends/object/object_backend.h"
#include "tests/support/shared_container.h"
#include "tests/support/temp_dir.h"

namespace sharestore {

class ObjectPlace {
 public:
  static constexpr const char* kPrefix = "node-a/";

  ~ObjectPlace() {
    // Alarms that were told to end leave the clock of the test, which outlives the loop.
    for (int step = 0; step < 8; ++step) {
      boost::asio::post(loop_, boost::asio::use_future([] {})).get();
    }
    guard_.reset();
    loop_.stop();
    thread_.join();
    pool_.join();
  }

  // Small parts and a small cache, so that little data is many parts.
  ObjectBackendOptions options() const {
    ObjectBackendOptions options;
    options.prefix = kPrefix;
    options.part_bytes = 64 * 1024;
    options.cache_bytes = 4 << 20;
    options.spool_directory = directory_.path() / "incoming";
    options.instance_file = directory_.path() / "instance";
    options.node_name = "node-a";
    return options;
  }

  std::unique_ptr<Backend> open(std::unique_ptr<ObjectContainer> container, Journal& journal,
                                Clock& clock) {
    return open(std::move(container), journal, clock, options());
  }
  std::unique_ptr<Backend> open(std::unique_ptr<ObjectContainer> container, Journal& journal,
                                Clock& clock, ObjectBackendOptions options) {
    return make_object_backend(std::move(container), std::move(options), journal, pool_, clock,
                               loop_.get_executor());
  }

  const std::filesystem::path& directory() const { return directory_.path(); }
  boost::asio::any_io_executor executor() { return loop_.get_executor(); }
  IoPool& pool() { return pool_; }

 private:
  TempDir directory_;
  IoPool pool_{4};
  boost::asio::io_context loop_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_{
      loop_.get_executor()};
  std::thread thread_{[this] { loop_.run(); }};
};

}  // namespace sharestore
