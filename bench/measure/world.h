// A started backend for a benchmark, over a store of its own, with a loop and helpers to run its
// coroutines side by side.
//
// One thread per object.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backends/backend.h"
#include "backends/core/clock.h"
#include "tests/support/memory_journal.h"

namespace sharestore::measure {

class World {
 public:
  virtual ~World() = default;
  virtual Backend& backend() = 0;

  OpContext context() { return {clock, clock.now() + std::chrono::minutes(10)}; }
  // Runs `count` tasks at once, each given its number, until all have ended.
  void run(std::size_t count, const std::function<boost::asio::awaitable<void>(std::size_t)>& task);

  // What the layer above records, so that no sweep takes an upload for one that was left behind.
  MemoryJournal journal;
  SystemClock clock;
  boost::asio::io_context loop{1};
};

// The backends that need no account: "memory", "disk", "object_over_memory".
std::vector<std::string> world_names();
std::unique_ptr<World> make_world(const std::string& name);

// For programs: a failure ends them with its sentence.
[[noreturn]] void give_up(const Error& error);
template <class T>
T must(Result<T> result) {
  if (!result) give_up(result.error());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

}  // namespace sharestore::measure
