#include "storage_server/web/metrics.h"

#include <fmt/format.h>

#include <array>
#include <cstddef>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include "storage_server/web/reference_stats.h"

namespace sharestore::web {

namespace {

using enum MetricType;

struct Quantile {
  std::string_view label;
  double fraction;
};
constexpr std::array kQuantiles = {Quantile{"0.5", 0.5}, Quantile{"0.9", 0.9},
                                   Quantile{"0.99", 0.99}, Quantile{"1", 1.0}};

// Operations of one kind, under the label that tells them apart.
struct Operations {
  std::string_view prefix;  // of the metrics' names
  std::string_view label;
  std::vector<BackendOperation> all;
};

void write_counts(MetricsText& text, const Operations& operations, std::string_view name,
                  std::string_view help, std::uint64_t OperationFigures::* count) {
  text.family(fmt::format("{}_{}", operations.prefix, name), counter, help);
  for (const auto& [operation, figures] : operations.all) {
    text.sample(figures.*count, {{operations.label, operation}});
  }
}

void write_durations(MetricsText& text, const Operations& operations, std::string_view help) {
  text.family(fmt::format("{}_duration_seconds", operations.prefix), summary, help);
  for (const auto& [operation, figures] : operations.all) {
    if (figures.samples.empty()) continue;
    for (const Quantile& quantile : kQuantiles) {
      text.sample(figures.quantile(quantile.fraction),
                  {{operations.label, operation}, {"quantile", quantile.label}});
    }
    text.sample(figures.seconds, {{operations.label, operation}}, "_sum");
    text.sample(figures.timed, {{operations.label, operation}}, "_count");
  }
}

void write_flag(MetricsText& text, std::string_view name, std::string_view help, bool value) {
  text.single(name, gauge, help, std::uint64_t{value ? 1U : 0U});
}

// Nothing is written for what never happened.
void write_time(MetricsText& text, std::string_view name, std::string_view help,
                std::int64_t unix_time) {
  if (unix_time > 0) text.single(name, gauge, help, static_cast<std::uint64_t>(unix_time));
}

void write_node(const NodeStatus& status, MetricsText& text) {
  text.family("sharestore", info, "The program and its backend.");
  text.sample(std::uint64_t{1},
              {{"version", status.node.version}, {"backend", status.node.backend}});
  text.single("sharestore_uptime_seconds", gauge, "Time since the start.", status.uptime_s);
  text.single("sharestore_memory_used_bytes", gauge, "Memory that requests hold now.",
              status.memory_used_bytes);
  text.single("sharestore_memory_limit_bytes", gauge, "Memory that requests may hold.",
              status.memory_limit_bytes);
}

void write_store(const BackendStatus& status, MetricsText& text) {
  if (status.clock_offset_seconds) {
    text.single("sharestore_backend_clock_offset_seconds", gauge,
                "The store's clock minus this machine's.",
                static_cast<double>(*status.clock_offset_seconds));
  }
  if (const auto& traffic = status.traffic) {
    text.single("sharestore_store_requests", counter, "Requests to the store.", traffic->requests);
    text.single("sharestore_store_retries", counter, "Of these, repetitions.", traffic->retries);
    text.single("sharestore_store_throttles", counter,
                "Answers of the store that asked for fewer requests.", traffic->throttles);
    text.single("sharestore_store_sent_bytes", counter, "Bytes sent to the store.",
                traffic->bytes_out);
    text.single("sharestore_store_received_bytes", counter, "Bytes received from the store.",
                traffic->bytes_in);
  }
  if (const auto& cache = status.cache) {
    text.single("sharestore_cache_hits", counter, "Reads that were answered from memory.",
                cache->hits);
    text.single("sharestore_cache_misses", counter, "Blocks that the store was asked for.",
                cache->misses);
  }
}

void write_backend(const NodeStatus& status, MetricsText& text) {
  write_flag(text, "sharestore_backend_healthy", "1: the store answers as it should.",
             status.backend_health.ok);
  if (status.backend_failure) {
    write_time(text, "sharestore_backend_last_failure_timestamp_seconds",
               "When the store last failed.", unix_seconds(status.backend_failure->at));
  }
  write_store(status.backend, text);
  const Operations operations{"sharestore_backend_operation", "operation",
                              status.backend_operations};
  if (operations.all.empty()) return;
  write_counts(text, {"sharestore_backend", "operation", operations.all}, "operations",
               "Calls of the backend.", &OperationFigures::count);
  write_counts(text, operations, "failures", "Calls that the store failed.",
               &OperationFigures::failures);
  write_counts(text, operations, "bytes", "Bytes of shares read or written.",
               &OperationFigures::bytes);
  write_durations(text, operations, "How long the newest calls took; those that waited only.");
}

void write_index(const NodeStatus& status, MetricsText& text) {
  write_flag(text, "sharestore_index_healthy", "1: the index is sound.", status.index_health.ok);
  write_flag(text, "sharestore_index_rebuilding", "1: the index is being rebuilt.",
             status.rebuild.has_value());
  if (const auto& rebuild = status.rebuild) {
    text.single("sharestore_index_rebuild_scanned_shares", gauge,
                "Shares that the rebuild under way has looked at.", rebuild->scanned_shares);
    text.single("sharestore_index_rebuild_done_ratio", gauge,
                "How much of the store the rebuild under way has behind it.", rebuild->done);
  }
  text.single("sharestore_index_file_bytes", gauge, "Size of the index.",
              status.index_size.file_bytes);
  text.single("sharestore_index_log_bytes", gauge, "Size of the index's write-ahead log.",
              status.index_size.log_bytes);
}

void write_shares(const NodeStatus& status, MetricsText& text) {
  const IndexTotals& totals = status.totals;
  text.family("sharestore_shares", gauge, "Shares held.");
  text.sample(totals.immutable_shares, {{"kind", "immutable"}});
  text.sample(totals.mutable_shares, {{"kind", "mutable"}});
  text.family("sharestore_shares_stored_bytes", gauge, "Bytes of the shares held.");
  text.sample(totals.immutable_bytes, {{"kind", "immutable"}});
  text.sample(totals.mutable_bytes, {{"kind", "mutable"}});
  text.single("sharestore_lost_shares", gauge, "Shares that the store has lost or damaged.",
              totals.lost_shares);
  text.single("sharestore_leases", gauge, "Leases.", totals.leases);
  text.single("sharestore_corruption_advisories", counter,
              "Reports of damaged shares by clients, since the index was made.", totals.advisories);
  write_time(text, "sharestore_last_upload_timestamp_seconds", "The newest upload.",
             status.activity.upload);
  write_time(text, "sharestore_last_renewal_timestamp_seconds", "The newest lease.",
             status.activity.renewal);
  write_time(text, "sharestore_last_download_timestamp_seconds", "The newest read.",
             status.activity.download);
}

// Shares and bytes by kind and time, in families `name`_shares and `name`_stored_bytes.
void write_ahead(const EndingShares& ahead, std::string_view name, std::string_view help,
                 MetricsText& text) {
  const std::array lines = {std::pair(std::string_view("1d"), &ahead.day),
                            std::pair(std::string_view("7d"), &ahead.week),
                            std::pair(std::string_view("30d"), &ahead.month)};
  text.family(fmt::format("{}_shares", name), gauge, help);
  for (const auto& [within, line] : lines) {
    text.sample(line->immutable_shares, {{"kind", "immutable"}, {"within", within}});
    text.sample(line->mutable_shares, {{"kind", "mutable"}, {"within", within}});
  }
  text.family(fmt::format("{}_stored_bytes", name), gauge, "Bytes of these shares.");
  for (const auto& [within, line] : lines) {
    text.sample(line->immutable_bytes, {{"kind", "immutable"}, {"within", within}});
    text.sample(line->mutable_bytes, {{"kind", "mutable"}, {"within", within}});
  }
}

void write_ending(const NodeStatus& status, MetricsText& text) {
  if (status.ending) {
    write_ahead(*status.ending, "sharestore_ending",
                "Shares whose leases end within that time unless they are renewed.", text);
  }
  const ExpiryStatus& expiry = status.expiry;
  write_flag(text, "sharestore_expiry_enabled", "1: shares go when their leases have ended.",
             expiry.enabled);
  if (!expiry.enabled) return;
  write_flag(text, "sharestore_expiry_held", "1: nothing is removed now; status says why.",
             !expiry.held.empty());
  text.single("sharestore_expiry_removed_shares", counter, "Shares removed.",
              expiry.removed_shares);
  text.single("sharestore_expiry_removed_bytes", counter, "Bytes of these shares.",
              expiry.removed_bytes);
  text.single("sharestore_expiry_failures", counter, "Removals that were put off.",
              expiry.failures);
  if (expiry.going) {
    write_ahead(*expiry.going, "sharestore_expiry_going",
                "Shares that go within that time by expire.* unless they are renewed.", text);
  }
}

void write_space(const NodeStatus& status, MetricsText& text) {
  text.single("sharestore_used_bytes", gauge, "What counts against the size limit.",
              status.used_bytes());
  text.single("sharestore_available_bytes", gauge, "Room for shares, as clients are told.",
              status.space.available_bytes);
  if (status.sizelimit_bytes) {
    text.single("sharestore_limit_bytes", gauge, "The configured size limit.",
                *status.sizelimit_bytes);
  }
  text.single("sharestore_reserved_space_bytes", gauge, "Space that is to stay free.",
              status.reserved_space_bytes);
  write_flag(text, "sharestore_accepting_shares", "1: new shares are taken.",
             status.accepts_shares());
  text.single("sharestore_uploads_in_flight", gauge, "Uploads that have begun and not ended.",
              status.store.uploads);
  text.single("sharestore_upload_promised_bytes", gauge, "Room promised to them.",
              status.store.reserved_bytes);
  text.single("sharestore_request_spool_bytes", gauge, "Parts of long requests kept on disk.",
              status.request_spool_bytes);
}

void write_calls(const NodeStatus& status, MetricsText& text) {
  Operations calls{"sharestore_request", "call", {}};
  for (std::size_t i = 0; i < kServedCalls; ++i) {
    calls.all.push_back({to_string(static_cast<ServedCall>(i)), status.served[i]});
  }
  write_counts(text, {"sharestore", "call", calls.all}, "requests",
               "Requests of clients that succeeded.", &OperationFigures::count);
  write_durations(text, calls,
                  "How long the newest took, to the answer's beginning, with waiting for the "
                  "client's own bytes.");
}

void write_http(const http::Metrics& http, MetricsText& text) {
  text.family("sharestore_http_answers", counter, "Answers by status.");
  for (const auto& [status, count] : http.answers) {
    text.sample(count, {{"status", std::to_string(status)}});
  }
  const auto count = [&](std::string_view name, std::string_view help, std::uint64_t value) {
    text.single(fmt::format("sharestore_http_{}", name), counter, help, value);
  };
  count("connections_accepted", "Connections accepted.", http.connections_accepted);
  count("connections_refused", "Connections beyond a limit.", http.connections_refused);
  count("accept_pauses", "Times that file descriptors had run out.", http.accept_pauses);
  count("handshakes", "TLS handshakes that succeeded.", http.handshakes);
  count("handshakes_resumed", "Of these, resumed sessions.", http.handshakes_resumed);
  count("handshakes_failed", "TLS handshakes that failed.", http.handshakes_failed);
  count("foolscap_refused", "Connections of clients that speak Foolscap only.",
        http.foolscap_refused);
  count("timeouts", "Connections or bodies that were too slow.", http.timeouts);
  count("memory_refused", "Connections ended because memory was spent.", http.memory_refused);
  count("received_bytes", "Bytes received.", http.bytes_in);
  count("sent_bytes", "Bytes sent.", http.bytes_out);
  text.single("sharestore_http_connections_open", gauge, "Connections open now.",
              http.connections_open);
  text.single("sharestore_http_requests_running", gauge, "Requests under way now.",
              http.requests_running);
}

void write_introducers(const NodeStatus& status, MetricsText& text) {
  if (status.introducers.empty()) return;
  text.family("sharestore_introducer_connected", gauge,
              "1: the introducer has the node's announcement.");
  for (const auto& state : status.introducers) {
    text.sample(std::uint64_t{state.connected ? 1U : 0U}, {{"introducer", state.petname}});
  }
  text.family("sharestore_introducer_attempts", counter, "Connections to introducers begun.");
  for (const auto& state : status.introducers) {
    text.sample(state.attempts, {{"introducer", state.petname}});
  }
  text.family("sharestore_introducer_publications", counter, "Announcements accepted.");
  for (const auto& state : status.introducers) {
    text.sample(state.publications, {{"introducer", state.petname}});
  }
}

}  // namespace

std::string render_metrics(const NodeStatus& status, MetricsForm form) {
  MetricsText text(form);
  write_reference_metrics(status, text);
  write_node(status, text);
  write_backend(status, text);
  write_index(status, text);
  write_shares(status, text);
  write_ending(status, text);
  write_space(status, text);
  write_calls(status, text);
  write_http(status.http, text);
  write_introducers(status, text);
  return text.finish();
}

}  // namespace sharestore::web
