// Threads for calls that block on a disk, and the one way to run something on them.
#pragma once

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cstddef>
#include <memory>
#include <utility>

namespace sharestore {

// Any thread may run jobs on it. The queue is bounded by the requests in flight, each of which
// waits for its own job. The loops that jobs answer to outlive the jobs: they run until they have
// no work, or are destroyed after join().
class IoPool {
 public:
  explicit IoPool(std::size_t threads) : pool_(threads) {}
  ~IoPool() { join(); }
  IoPool(const IoPool&) = delete;
  IoPool& operator=(const IoPool&) = delete;

  // Waits until every job has run and its thread has left its caller's loop. No job runs after it.
  void join() { pool_.join(); }

  // Runs `job` on a pool thread and resumes on the caller's executor with what it returned.
  // `job` owns what it uses and is destroyed before the caller resumes; it is not cancelled once
  // queued. It must not throw.
  template <class Job>
  boost::asio::awaitable<std::invoke_result_t<Job&>> run(Job job) {
    using Value = std::invoke_result_t<Job&>;
    co_return co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>,
                                                   void(Value)>(
        [this, job = std::move(job)](auto handler) mutable {
          auto executor = boost::asio::get_associated_executor(handler);
          // The work guard keeps the caller's loop alive while the job runs elsewhere.
          auto guard = boost::asio::make_work_guard(executor);
          boost::asio::post(pool_, [job = std::move(job), handler = std::move(handler), executor,
                                    guard = std::move(guard)]() mutable {
            // What the job holds is gone before the caller goes on: files closed, locks free.
            Value value = [owned = std::move(job)]() mutable { return owned(); }();
            boost::asio::post(executor,
                              [handler = std::move(handler), value = std::move(value)]() mutable {
                                std::move(handler)(std::move(value));
                              });
            // Last: a loop that runs until it has no work does not end before this thread left it.
            guard.reset();
          });
        },
        boost::asio::use_awaitable);
  }

 private:
  boost::asio::thread_pool pool_;
};

}  // namespace sharestore
