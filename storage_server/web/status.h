// What a node tells its operator: one snapshot that the status command, the pages and the metrics
// all show.
//
// Plain values. Nothing here lets anyone in: no NURL, no swissnum, no FURL, no secret.
#pragma once

#include <boost/json/object.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backends/backend.h"
#include "backends/core/operation_meter.h"
#include "backends/metered/metered_backend.h"
#include "storage_server/grid/publisher.h"
#include "storage_server/http/metrics.h"
#include "storage_server/index/expiry_view.h"
#include "storage_server/index/index.h"
#include "storage_server/index/inspect.h"
#include "storage_server/protocol/served_calls.h"
#include "storage_server/shares/share_store.h"

namespace sharestore::web {

struct NodeFacts {
  std::string version;  // "name/number"
  std::string nickname;
  std::string node_id;
  std::string backend;
  std::int64_t process = 0;
  std::int64_t started_at = 0;  // unix seconds
};

// What ends within the time named, unless it is renewed.
struct EndingShares {
  ForecastLine day;
  ForecastLine week;
  ForecastLine month;  // 30 days
};

// A rebuild of the index under way.
struct RebuildStatus {
  std::uint64_t scanned_shares = 0;  // by this process
  double done = 0;                   // how much of the store lies behind, 0 to 1
};

// What the removal of shares whose leases have ended does, and will do.
struct ExpiryStatus {
  bool enabled = false;
  std::string held;                  // not empty: why nothing is removed now
  std::uint64_t removed_shares = 0;  // since the start
  std::uint64_t removed_bytes = 0;
  std::uint64_t failures = 0;  // removals that were put off
  std::string last_error;
  // What goes by the configured rules unless it is renewed; nothing: expiry is off.
  std::optional<EndingShares> going;
};

// Seconds of processor time, and how busy one core was on average.
struct CpuUse {
  double total_s = 0;
  std::optional<double> last_minute;
  std::optional<double> last_5_minutes;
  std::optional<double> last_15_minutes;
};

struct NodeStatus {
  NodeFacts node;
  std::int64_t now = 0;  // unix seconds
  double uptime_s = 0;
  CpuUse cpu;
  std::uint64_t memory_used_bytes = 0;  // of the buffers of requests
  std::uint64_t memory_limit_bytes = 0;

  Health backend_health;
  BackendStatus backend;
  std::optional<BackendFailure> backend_failure;
  std::vector<BackendOperation> backend_operations;

  Health index_health;
  std::optional<RebuildStatus> rebuild;
  IndexTotals totals;
  IndexActivity activity;
  IndexSize index_size;
  std::vector<AdvisoryRow> advisories;  // the newest

  bool readonly = false;
  SpaceReport space;
  StoreActivity store;
  std::optional<std::uint64_t> sizelimit_bytes;
  std::uint64_t reserved_space_bytes = 0;
  std::optional<EndingShares> ending;  // nothing: the index could not tell
  ExpiryStatus expiry;

  std::vector<grid::IntroducerState> introducers;
  http::Metrics http;
  std::array<OperationFigures, kServedCalls> served;  // by ServedCall
  std::uint64_t request_spool_bytes = 0;

  std::uint64_t used_bytes() const { return totals.immutable_bytes + totals.mutable_bytes; }
  // Whether requests can be served as they should be.
  bool healthy() const { return backend_health.ok && index_health.ok; }
  bool accepts_shares() const { return !readonly && space.available_bytes != 0; }
};

// The newest advisories that are shown one by one.
inline constexpr std::size_t kShownAdvisories = 10;

boost::json::object to_json(const NodeStatus& status);

}  // namespace sharestore::web
