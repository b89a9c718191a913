// Gathers what the parts of a running node know about themselves.
#pragma once

#include <functional>
#include <vector>

#include "backends/core/memory_budget.h"
#include "backends/metered/metered_backend.h"
#include "config/node_config.h"
#include "storage_server/http/server.h"
#include "storage_server/index/full_index.h"
#include "storage_server/maintenance/expiry.h"
#include "storage_server/node/cpu_monitor.h"
#include "storage_server/node/rebuild_run.h"
#include "storage_server/protocol/gbs_handler.h"
#include "storage_server/web/status.h"

namespace sharestore {

// The parts, all of which outlive the source.
struct StatusParts {
  const NodeConfig& config;
  web::NodeFacts facts;
  Clock& clock;
  const CpuMonitor& cpu;
  const MemoryBudget& memory;
  MeteredBackend& backend;
  FullIndex& index;
  ShareStore& store;
  Expiry& expiry;
  const RebuildRun& rebuild;
  const GbsHandler& handler;
  const http::Server& server;
  std::function<std::vector<grid::IntroducerState>()> introducers;
};

// Any thread. Reads the index (microseconds) and counters; asks no store and waits for nothing.
class StatusSource {
 public:
  explicit StatusSource(StatusParts parts);
  web::NodeStatus read() const;

 private:
  void read_index(web::NodeStatus& status) const;
  void read_backend(web::NodeStatus& status) const;
  void read_expiry(web::NodeStatus& status) const;
  void read_serving(web::NodeStatus& status) const;
  std::optional<web::EndingShares> ending(std::int64_t now) const;

  const StatusParts parts_;
  const Monotonic started_;
};

}  // namespace sharestore
