// Keeps the share files' leases true behind the requests (architecture: the index, "on disk").
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>

#include "storage_server/index/full_index.h"
#include "storage_server/shares/share_store.h"

namespace sharestore {

// Writes leases into share files, a few at a time, until `stopping`. Runs on one executor; what it
// is given outlives it.
boost::asio::awaitable<void> run_lease_flush(ShareStore& store, FullIndex& index, Clock& clock,
                                             const std::atomic<bool>& stopping);

// Everything that is not in the share files yet: before a clean stop, or by hand. Answers how many
// share files were written; `on_progress` is told the number so far now and then.
Task<std::size_t> flush_leases(
    ShareStore& store, FullIndex& index, Clock& clock,
    std::function<boost::asio::awaitable<void>(std::size_t)> on_progress);

}  // namespace sharestore
