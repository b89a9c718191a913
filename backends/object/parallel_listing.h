// A listing of every share, quick and in order: pages of the two-letter prefixes to come are asked
// for while the caller works on the page it has.
//
// A place in it is the last key seen, so it can be left and gone on with at any time. Memory: at
// most kPrefixesAhead pages. Any thread, one caller at a time; requests run on the executor given.
#pragma once

#include <boost/asio/any_io_executor.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "backends/core/async_event.h"
#include "backends/object/container.h"
#include "backends/object/object_key.h"
#include "backends/object/running_work.h"

namespace sharestore {

class ParallelListing {
 public:
  // Listings that are on their way at once, beside the one waited for.
  static constexpr std::size_t kPrefixesAhead = 8;

  // What it refers to outlives it.
  ParallelListing(ObjectContainer& container, const ObjectKeys& keys,
                  boost::asio::any_io_executor executor)
      : container_(container), keys_(keys), executor_(std::move(executor)) {}

  // The keys behind `after` (empty: from the beginning), at most `limit`; `more` is false at the
  // end of all shares. A container of one page is listed as one; from the second page on only what
  // lies in a two-letter folder is listed.
  Task<ObjectPage> next(OpContext context, std::string after, std::size_t limit);

  // What is on its way is waited for and dropped.
  boost::asio::awaitable<void> close() { co_await asked_.idle()->wait(); }

 private:
  struct Ahead {
    AsyncEvent done;
    Result<ObjectPage> page = fail(Errc::unavailable, "");
  };

  Task<ObjectPage> page_of(OpContext context, std::size_t prefix, std::string after,
                           std::size_t limit);
  // Asks for what lies behind `prefix`; keeps that prefix's own page if it was asked for before.
  void ask_ahead(OpContext context, std::size_t prefix, std::size_t limit);
  void drop_ahead();

  ObjectContainer& container_;
  const ObjectKeys& keys_;
  const boost::asio::any_io_executor executor_;
  std::mutex mutex_;
  std::size_t limit_ = 0;                                // of the pages ahead
  std::map<std::size_t, std::shared_ptr<Ahead>> ahead_;  // by number of prefix
  RunningWork asked_;
  // Of the caller: where its last call failed.
  std::string failed_after_;
  std::size_t failed_prefix_ = 0;
};

}  // namespace sharestore
