// Runs one coroutine to its end on a clock that goes on whenever everything may be waiting for it.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>

#include <chrono>
#include <optional>
#include <stdexcept>
#include <utility>

#include "tests/support/fake_clock.h"
#include "tests/support/run_task.h"

namespace sharestore {

// `other`: a loop of one thread that works for the task; the clock moves when it has nothing to do.
template <class T>
T run_moving(FakeClock& clock, boost::asio::any_io_executor other, boost::asio::awaitable<T> task,
             Duration step = std::chrono::milliseconds(100)) {
  boost::asio::io_context loop(1);
  std::optional<T> result;
  boost::asio::co_spawn(loop, test_detail::store_result(std::move(task), &result),
                        boost::asio::detached);
  for (int i = 0; i < 100'000 && !result; ++i) {
    loop.restart();
    loop.run_for(std::chrono::milliseconds(1));  // real time: pools work meanwhile
    boost::asio::post(other, boost::asio::use_future([] {})).get();
    if (!result) clock.advance(step);
  }
  if (!result) throw std::logic_error("the task does not end");
  // real time: until the pools' threads have let go of the loop
  loop.restart();
  loop.run_for(std::chrono::seconds(10));
  return std::move(*result);
}

}  // namespace sharestore
