// Runs one coroutine to its end on the calling thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <exception>
#include <optional>
#include <stdexcept>
#include <utility>

namespace sharestore {

namespace test_detail {

template <class T>
boost::asio::awaitable<void> store_result(boost::asio::awaitable<T> task, std::optional<T>* out) {
  out->emplace(co_await std::move(task));
}

inline void rethrow(const std::exception_ptr& error) {
  if (error) std::rethrow_exception(error);
}

}  // namespace test_detail

// Drives `context` until it has no work left; `task` must have ended by then.
template <class T>
T run_task(boost::asio::io_context& context, boost::asio::awaitable<T> task) {
  std::optional<T> result;
  std::exception_ptr error;
  boost::asio::co_spawn(context, test_detail::store_result(std::move(task), &result),
                        [&error](std::exception_ptr e) { error = std::move(e); });
  context.restart();
  context.run();
  test_detail::rethrow(error);
  if (!result) throw std::logic_error("the task did not end: it waits for something outside");
  return std::move(*result);
}

inline void run_task(boost::asio::io_context& context, boost::asio::awaitable<void> task) {
  std::exception_ptr error;
  bool ended = false;
  boost::asio::co_spawn(context, std::move(task), [&](std::exception_ptr e) {
    error = std::move(e);
    ended = true;
  });
  context.restart();
  context.run();
  test_detail::rethrow(error);
  if (!ended) throw std::logic_error("the task did not end: it waits for something outside");
}

// On an io_context of its own.
template <class T>
T run_task(boost::asio::awaitable<T> task) {
  boost::asio::io_context context(1);
  return run_task(context, std::move(task));
}

}  // namespace sharestore
