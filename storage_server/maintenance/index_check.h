// The full check of the index in the background: what starts skip because it takes time.
#pragma once

#include <boost/asio/awaitable.hpp>

#include <atomic>
#include <chrono>

#include "backends/core/clock.h"
#include "storage_server/index/full_index.h"

namespace sharestore {

// Not in the rush after a start; then once a week, also across restarts.
inline constexpr std::chrono::hours kIndexCheckAfterStart{1};
inline constexpr std::chrono::hours kIndexCheckEvery{7 * 24};

// Checks until `stopping` or until damage is found: the log says so, health() too, and the next
// start builds the index anew. Runs on one executor; the coroutine is cancelled to wake it. Index
// and clock outlive it.
boost::asio::awaitable<void> run_index_check(FullIndex& index, Clock& clock,
                                             const std::atomic<bool>& stopping);

}  // namespace sharestore
