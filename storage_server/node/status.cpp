#include "storage_server/node/status.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace sharestore {

namespace {

constexpr std::int64_t kDaySeconds = 24 * 60 * 60;

}  // namespace

StatusSource::StatusSource(StatusParts parts)
    : parts_(std::move(parts)), started_(parts_.clock.now()) {}

web::NodeStatus StatusSource::read() const {
  web::NodeStatus status;
  status.node = parts_.facts;
  status.now = unix_seconds(parts_.clock.utc_now());
  status.uptime_s = std::chrono::duration<double>(parts_.clock.now() - started_).count();
  status.cpu = parts_.cpu.use();
  status.readonly = parts_.config.storage.readonly;
  status.sizelimit_bytes = parts_.config.storage.sizelimit_bytes;
  status.reserved_space_bytes = parts_.config.storage.reserved_space_bytes;
  read_backend(status);
  read_index(status);
  read_expiry(status);
  read_serving(status);
  return status;
}

void StatusSource::read_backend(web::NodeStatus& status) const {
  status.backend_health = parts_.backend.health();
  status.backend = parts_.backend.status();
  status.backend_failure = parts_.backend.last_failure();
  status.backend_operations = parts_.backend.operations();
}

void StatusSource::read_index(web::NodeStatus& status) const {
  FullIndex& index = parts_.index;
  status.index_health = index.health();
  if (const RebuildProgress progress = parts_.rebuild.progress(); progress.running) {
    status.rebuild = web::RebuildStatus{progress.scanned, progress.done};
  }
  status.totals = index.totals();
  status.activity = index.activity();
  status.activity.download = std::max(status.activity.download, parts_.handler.last_download());
  status.index_size = index.size();
  status.ending = ending(status.now);
  if (auto advisories = index.advisories(web::kShownAdvisories)) {
    status.advisories = std::move(*advisories);
  }
}

void StatusSource::read_expiry(web::NodeStatus& status) const {
  const ExpiryReport report = parts_.expiry.report();
  status.expiry = {report.enabled,  report.held,       report.removed_shares, report.removed_bytes,
                   report.failures, report.last_error, std::nullopt};
  if (const auto forecast = parts_.expiry.forecast(); forecast && *forecast) {
    status.expiry.going =
        web::EndingShares{(*forecast)->day, (*forecast)->week, (*forecast)->month};
  }
}

void StatusSource::read_serving(web::NodeStatus& status) const {
  status.memory_used_bytes = parts_.memory.used_bytes();
  status.memory_limit_bytes = parts_.memory.limit_bytes();
  status.space = parts_.store.space();
  status.store = parts_.store.activity();
  status.introducers = parts_.introducers();
  status.http = parts_.server.metrics();
  status.request_spool_bytes = parts_.handler.spool_bytes();
  for (std::size_t i = 0; i < kServedCalls; ++i) {
    status.served[i] = parts_.handler.served().read(static_cast<ServedCall>(i));
  }
}

std::optional<web::EndingShares> StatusSource::ending(std::int64_t now) const {
  const auto day = parts_.index.forecast(now + kDaySeconds);
  const auto week = parts_.index.forecast(now + 7 * kDaySeconds);
  const auto month = parts_.index.forecast(now + 30 * kDaySeconds);
  if (!day || !week || !month) return std::nullopt;
  return web::EndingShares{*day, *week, *month};
}

}  // namespace sharestore
