// Lets a coroutine wait for something that another thread finishes.
#pragma once

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <functional>
#include <utility>

namespace sharestore {

// Called once, from any thread; the waiting coroutine resumes on its own executor.
template <class Value>
using Completion = std::move_only_function<void(Value)>;

// Hands a Completion to `start`, at once, and waits until it was called.
template <class Value, class Start>
boost::asio::awaitable<Value> await_completion(Start start) {
  co_return co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void(Value)>(
      [start = std::move(start)](auto handler) mutable {
        auto executor = boost::asio::get_associated_executor(handler);
        // The work guard keeps the caller's loop alive meanwhile.
        auto guard = boost::asio::make_work_guard(executor);
        start(Completion<Value>([handler = std::move(handler), executor,
                                 guard = std::move(guard)](Value value) mutable {
          boost::asio::post(executor,
                            [handler = std::move(handler), value = std::move(value)]() mutable {
                              std::move(handler)(std::move(value));
                            });
          guard.reset();
        }));
      },
      boost::asio::use_awaitable);
}

}  // namespace sharestore
