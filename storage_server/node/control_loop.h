// A thread with an event loop for what is no request: start and stop steps, background work.
//
// Made and ended by main's thread; its executor is for any thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>

namespace sharestore {

class ControlLoop {
 public:
  // A coroutine that runs until its work is done or it is told to end. Used by one thread, not the
  // loop's; ended before the loop is.
  class Background {
   public:
    // Wakes it: the coroutine's own condition must say that it is to end. Any number of times.
    void cancel();
    // Waits for its end. Answers what an exception said, unless that was the cancellation.
    std::string wait();

   private:
    friend class ControlLoop;
    struct State {
      boost::asio::any_io_executor executor;
      boost::asio::cancellation_signal signal;
    };
    std::shared_ptr<State> state_;
    std::future<void> ended_;
  };

  ControlLoop();
  // As join().
  ~ControlLoop() { join(); }
  ControlLoop(const ControlLoop&) = delete;
  ControlLoop& operator=(const ControlLoop&) = delete;

  boost::asio::any_io_executor executor() { return context_.get_executor(); }

  // Runs the coroutine on the loop and waits for its result. Not from the loop's own thread.
  template <class T>
  T run(boost::asio::awaitable<T> work) {
    return boost::asio::co_spawn(context_, std::move(work), boost::asio::use_future).get();
  }

  Background start(boost::asio::awaitable<void> work);

  // Waits until all work on the loop has ended and ends its thread. Repeatable.
  void join();

 private:
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::thread thread_;
};

}  // namespace sharestore
