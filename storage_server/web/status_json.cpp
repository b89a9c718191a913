#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "storage_server/web/status.h"

namespace sharestore::web {

namespace json = boost::json;

namespace {

json::value when(std::int64_t unix_time) {
  return unix_time == 0 ? json::value(nullptr) : json::value(unix_time);
}

json::value when(std::optional<WallTime> time) {
  return time ? json::value(unix_seconds(*time)) : json::value(nullptr);
}

json::object health(const Health& health) {
  return {{"ok", health.ok}, {"sentence", health.sentence}};
}

json::object counted(std::uint64_t shares, std::uint64_t bytes) {
  return {{"shares", shares}, {"bytes", bytes}};
}

json::object ending(const ForecastLine& line) {
  return {{"immutable", counted(line.immutable_shares, line.immutable_bytes)},
          {"mutable", counted(line.mutable_shares, line.mutable_bytes)}};
}

json::value ending(const std::optional<EndingShares>& shares) {
  if (!shares) return nullptr;
  return json::object{{"next_day", ending(shares->day)},
                      {"next_week", ending(shares->week)},
                      {"next_30_days", ending(shares->month)}};
}

json::object stored(const IndexTotals& totals) {
  return {{"immutable", counted(totals.immutable_shares, totals.immutable_bytes)},
          {"mutable", counted(totals.mutable_shares, totals.mutable_bytes)},
          {"lost", totals.lost_shares},
          {"leases", totals.leases},
          {"corruption_advisories", totals.advisories}};
}

json::object space(const NodeStatus& status) {
  return {{"used_bytes", status.used_bytes()},
          {"available_bytes", status.space.available_bytes},
          {"sizelimit_bytes",
           status.sizelimit_bytes ? json::value(*status.sizelimit_bytes) : json::value(nullptr)},
          {"reserved_space_bytes", status.reserved_space_bytes},
          {"max_immutable_share_bytes", status.space.max_immutable_bytes},
          {"disk_total_bytes", status.store.backend_space.total_bytes},
          {"disk_free_bytes", status.store.backend_space.free_bytes},
          {"uploads", status.store.uploads},
          {"promised_bytes", status.store.reserved_bytes},
          {"request_spool_bytes", status.request_spool_bytes},
          {"readonly", status.readonly}};
}

json::array introducers(const std::vector<grid::IntroducerState>& states) {
  json::array all;
  for (const grid::IntroducerState& state : states) {
    all.push_back(json::object{{"name", state.petname},
                               {"connected", state.connected},
                               {"last_error", state.last_error},
                               {"last_published", when(state.last_published)},
                               {"next_attempt", when(state.next_attempt)},
                               {"attempts", state.attempts},
                               {"publications", state.publications}});
  }
  return all;
}

json::value quantile(const OperationFigures& figures, double fraction) {
  return figures.samples.empty() ? json::value(nullptr) : json::value(figures.quantile(fraction));
}

json::object operation(const OperationFigures& figures) {
  return {{"count", figures.count},
          {"failures", figures.failures},
          {"bytes", figures.bytes},
          {"median_s", quantile(figures, 0.5)},
          {"p99_s", quantile(figures, 0.99)}};
}

json::object backend(const NodeStatus& status) {
  json::object operations;
  for (const auto& [name, figures] : status.backend_operations) {
    operations[name] = operation(figures);
  }
  json::value failure = nullptr;
  if (const auto& last = status.backend_failure) {
    failure = json::object{{"at", unix_seconds(last->at)},
                           {"operation", last->operation},
                           {"sentence", last->sentence}};
  }
  const BackendStatus& own = status.backend;
  json::value traffic = nullptr;
  if (own.traffic) {
    traffic = json::object{{"requests", own.traffic->requests},
                           {"retries", own.traffic->retries},
                           {"throttles", own.traffic->throttles},
                           {"bytes_out", own.traffic->bytes_out},
                           {"bytes_in", own.traffic->bytes_in}};
  }
  json::value cache = nullptr;
  if (own.cache) cache = json::object{{"hits", own.cache->hits}, {"misses", own.cache->misses}};
  return {{"name", status.node.backend},
          {"clock_offset_s", own.clock_offset_seconds ? json::value(*own.clock_offset_seconds)
                                                      : json::value(nullptr)},
          {"store", std::move(traffic)},
          {"cache", std::move(cache)},
          {"health", health(status.backend_health)},
          {"last_failure", std::move(failure)},
          {"operations", std::move(operations)}};
}

json::value rebuild(const std::optional<RebuildStatus>& under_way) {
  if (!under_way) return nullptr;
  return json::object{{"scanned_shares", under_way->scanned_shares}, {"done", under_way->done}};
}

json::object expiry(const ExpiryStatus& status) {
  return {{"enabled", status.enabled},
          {"held", status.held},
          {"removed", {{"shares", status.removed_shares}, {"bytes", status.removed_bytes}}},
          {"failures", status.failures},
          {"last_error", status.last_error},
          {"goes", ending(status.going)}};
}

json::object requests(const NodeStatus& status) {
  json::object calls;
  for (std::size_t i = 0; i < kServedCalls; ++i) {
    calls[to_string(static_cast<ServedCall>(i))] = operation(status.served[i]);
  }
  return calls;
}

json::array advisories(const std::vector<AdvisoryRow>& rows) {
  json::array all;
  for (const AdvisoryRow& row : rows) {
    all.push_back(
        json::object{{"at", row.at}, {"share", row.share.to_text()}, {"reason", row.reason}});
  }
  return all;
}

json::object served(const http::Metrics& http) {
  json::object answers;
  for (const auto& [status, count] : http.answers) answers[std::to_string(status)] = count;
  return {{"connections_open", http.connections_open},
          {"connections_accepted", http.connections_accepted},
          {"connections_refused", http.connections_refused},
          {"handshakes", http.handshakes},
          {"handshakes_failed", http.handshakes_failed},
          {"requests_running", http.requests_running},
          {"timeouts", http.timeouts},
          {"bytes_in", http.bytes_in},
          {"bytes_out", http.bytes_out},
          {"answers", std::move(answers)}};
}

}  // namespace

json::object to_json(const NodeStatus& status) {
  const NodeFacts& node = status.node;
  return {{"version", node.version},
          {"nickname", node.nickname},
          {"node_id", node.node_id},
          {"process", node.process},
          {"now", status.now},
          {"started_at", node.started_at},
          {"uptime_s", status.uptime_s},
          {"cpu_s", status.cpu.total_s},
          {"memory",
           {{"used_bytes", status.memory_used_bytes}, {"limit_bytes", status.memory_limit_bytes}}},
          {"healthy", status.healthy()},
          {"backend", backend(status)},
          {"index",
           {{"health", health(status.index_health)},
            {"rebuilding", status.rebuild.has_value()},
            {"rebuild", rebuild(status.rebuild)},
            {"file_bytes", status.index_size.file_bytes},
            {"log_bytes", status.index_size.log_bytes}}},
          {"space", space(status)},
          {"stored", stored(status.totals)},
          {"leases_end", ending(status.ending)},
          {"expiry", expiry(status.expiry)},
          {"last",
           {{"upload", when(status.activity.upload)},
            {"renewal", when(status.activity.renewal)},
            {"download", when(status.activity.download)}}},
          {"advisories", advisories(status.advisories)},
          {"requests", requests(status)},
          {"introducers", introducers(status.introducers)},
          {"http", served(status.http)}};
}

}  // namespace sharestore::web
