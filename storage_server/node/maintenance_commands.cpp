#include "storage_server/node/maintenance_commands.h"

#include <algorithm>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "storage_server/maintenance/verify.h"
#include "storage_server/node/lease_flush.h"

namespace sharestore {

namespace json = boost::json;
using CallPtr = std::shared_ptr<control::Call>;

namespace {

// Longest work: a pass over every share of a large store.
constexpr std::chrono::hours kLongBudget{7 * 24};
constexpr std::chrono::minutes kFlushBudget{30};
constexpr std::chrono::seconds kProgressEvery{1};
constexpr std::size_t kFindingsPerLine = 200;

Result<std::string> text_argument(const control::Call& call, std::string_view name) {
  const json::value* value = call.arguments().if_contains(name);
  if (value == nullptr) return std::string();
  if (!value->is_string()) return fail(Errc::invalid_argument, std::string(name) + " is no text");
  return std::string(value->get_string());
}

bool flag_argument(const control::Call& call, std::string_view name) {
  const json::value* value = call.arguments().if_contains(name);
  return value != nullptr && value->is_bool() && value->get_bool();
}

// --- leases and expiry ----------------------------------------------------------------------

Task<json::object> accept_expiry(Expiry& expiry) {
  auto accepted = co_await expiry.accept_taken_over();
  if (!accepted) co_return fail(std::move(accepted.error()));
  co_return json::object{{"accepted", true}};
}

Task<json::object> accept_clock(Expiry& expiry) {
  auto accepted = co_await expiry.accept_clock();
  if (!accepted) co_return fail(std::move(accepted.error()));
  co_return json::object{{"accepted", true}};
}

Task<json::object> flush(MaintenanceParts parts, CallPtr call) {
  if (!parts.backend.traits().keeps_leases) {
    co_return fail(Errc::unsupported, "the " + parts.backend.traits().name +
                                          " backend keeps no leases in share files");
  }
  const auto on_progress = [&call](std::size_t saved) -> boost::asio::awaitable<void> {
    co_await call->progress({{"share_files", saved}});
  };
  auto saved = co_await flush_leases(parts.store, parts.index, parts.clock, on_progress);
  if (!saved) co_return fail(std::move(saved.error()));
  co_return json::object{{"share_files", *saved}};
}

// --- the index ------------------------------------------------------------------------------

json::object progress_of(const RebuildRun& rebuild) {
  const RebuildProgress progress = rebuild.progress();
  return {{"shares", progress.scanned}, {"done", progress.done}};
}

Task<json::object> rebuild_index(MaintenanceParts parts, CallPtr call) {
  auto begun = co_await parts.rebuild.request();
  if (!begun) co_return fail(std::move(begun.error()));
  const std::atomic<bool> never{false};
  bool ended = false;
  Status outcome;
  if (!parts.serving) {
    // Nothing else drives it. Beside it, so that progress can be told.
    boost::asio::co_spawn(
        co_await boost::asio::this_coro::executor,
        [&]() -> boost::asio::awaitable<void> {
          outcome = co_await parts.rebuild.finish(never);
          ended = true;
        },
        boost::asio::detached);
  }
  while (parts.serving ? parts.rebuild.progress().running && !call->gone() : !ended) {
    co_await call->progress(progress_of(parts.rebuild));
    co_await parts.clock.sleep_until(parts.clock.now() + kProgressEvery);
  }
  if (!outcome) co_return fail(std::move(outcome.error()));
  const IndexTotals totals = parts.index.totals();
  co_return json::object{{"complete", !parts.rebuild.progress().running},
                         {"immutable_shares", totals.immutable_shares},
                         {"mutable_shares", totals.mutable_shares},
                         {"bytes", totals.immutable_bytes + totals.mutable_bytes},
                         {"leases", totals.leases},
                         {"lost_shares", totals.lost_shares}};
}

json::object to_json(const ShareFault& fault) {
  json::object object{{"share", fault.share.to_text()},
                      {"problem", to_string(fault.kind)},
                      {"detail", fault.detail},
                      {"repaired", fault.repaired}};
  if (!fault.place.empty()) object["place"] = fault.place;
  return object;
}

json::object to_json(const VerifyReport& report) {
  json::object problems;
  for (std::size_t kind = 0; kind < kFaultKinds; ++kind) {
    problems[to_string(static_cast<FaultKind>(kind))] = report.faults[kind];
  }
  json::array damage;
  for (const std::string& sentence : report.index_damage) damage.emplace_back(sentence);
  return {{"complete", report.complete},
          {"next", report.next},
          {"stored_shares", report.stored_shares},
          {"indexed_shares", report.indexed_shares},
          {"index_damage", std::move(damage)},
          {"problems", std::move(problems)},
          {"problem_count", report.fault_count()},
          {"repaired", report.repaired},
          {"findings_left_out", report.fault_count() - report.findings.size()}};
}

Task<json::object> verify(MaintenanceParts parts, CallPtr call) {
  VerifyOptions options;
  auto scope = text_argument(*call, "scope");
  if (!scope) co_return fail(std::move(scope.error()));
  auto from = text_argument(*call, "from");
  if (!from) co_return fail(std::move(from.error()));
  options.scope = std::move(*scope);
  options.from = std::move(*from);
  options.repair = flag_argument(*call, "repair");
  options.paced = parts.serving;
  const std::atomic<bool> never{false};
  if (!parts.serving) {
    // A rebuild that the last run began comes first.
    auto rebuilt = co_await parts.rebuild.finish(never);
    if (!rebuilt) co_return fail(std::move(rebuilt.error()));
  }
  const auto on_progress = [&call](const VerifyProgress& progress) -> boost::asio::awaitable<bool> {
    co_await call->progress({{"prefixes_done", progress.prefixes_done},
                             {"prefixes", progress.prefixes},
                             {"shares", progress.report.stored_shares},
                             {"problem_count", progress.report.fault_count()}});
    co_return !call->gone();
  };
  Verify run(parts.backend, parts.index, parts.store, parts.clock);
  auto report = co_await run.run(std::move(options), on_progress);
  if (!report) co_return fail(std::move(report.error()));
  for (std::size_t i = 0; i < report->findings.size(); i += kFindingsPerLine) {
    json::array line;
    for (std::size_t k = i; k < std::min(i + kFindingsPerLine, report->findings.size()); ++k) {
      line.push_back(to_json(report->findings[k]));
    }
    co_await call->progress({{"findings", std::move(line)}});
  }
  co_return to_json(*report);
}

// --- shares ---------------------------------------------------------------------------------

// "<storage index>" or "<storage index>/<number>".
Task<json::object> remove(MaintenanceParts parts, CallPtr call) {
  auto name = text_argument(*call, "share");
  if (!name) co_return fail(std::move(name.error()));
  const std::size_t slash = name->find('/');
  const auto index = StorageIndex::from_text(std::string_view(*name).substr(0, slash));
  std::optional<ShareNumber> number;
  if (slash != std::string::npos) {
    number = share_number_from_text(std::string_view(*name).substr(slash + 1), false);
  }
  if (!index || (slash != std::string::npos && !number)) {
    co_return fail(Errc::invalid_argument,
                   "'" + *name +
                       "' names no share; expected a storage index of 26 characters, "
                       "with /NUMBER for one of its shares");
  }
  auto taken = co_await parts.store.take_out(call->context(), *index, number);
  if (!taken) co_return fail(std::move(taken.error()));
  json::array shares;
  for (const TakenOut& one : *taken) {
    shares.push_back(json::object{{"share", ShareId{*index, one.number}.to_text()},
                                  {"bytes", one.stored_bytes},
                                  {"place", one.place}});
  }
  co_return json::object{{"removed", std::move(shares)}};
}

}  // namespace

void add_maintenance_commands(control::Commands& commands, const MaintenanceParts& parts) {
  commands.add("accept-expiry", {[parts](CallPtr) { return accept_expiry(parts.expiry); }});
  commands.add("accept-clock", {[parts](CallPtr) { return accept_clock(parts.expiry); }});
  commands.add("flush-leases",
               {[parts](CallPtr call) { return flush(parts, std::move(call)); }, kFlushBudget});
  commands.add(
      "rebuild-index",
      {[parts](CallPtr call) { return rebuild_index(parts, std::move(call)); }, kLongBudget});
  commands.add("verify",
               {[parts](CallPtr call) { return verify(parts, std::move(call)); }, kLongBudget});
  commands.add("remove", {[parts](CallPtr call) { return remove(parts, std::move(call)); }});
}

}  // namespace sharestore
