#include "storage_server/state/state_restore.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backends/core/limits.h"
#include "backends/core/log.h"
#include "storage_server/state/state_file.h"

namespace sharestore {

namespace {

constexpr const char* kRestored = "state.restored";
constexpr const char* kRestoredUpTo = "state.restored-up-to";
constexpr std::size_t kRecordsAtOnce = 1024;

struct Restored {
  std::uint64_t blobs = 0;
  std::uint64_t records = 0;
  std::uint64_t damaged = 0;
};

Task<void> apply_blob(FullIndex& index, StateReader reader, Restored& totals) {
  while (true) {
    std::vector<RememberedShare> records;
    while (records.size() < kRecordsAtOnce) {
      auto record = reader.next();
      if (!record) co_return fail(std::move(record.error()));
      if (!record->has_value()) break;
      records.push_back(std::move(**record));
    }
    if (records.empty()) co_return Status{};
    totals.records += records.size();
    auto recorded = co_await index.record_remembered(std::move(records));
    if (!recorded) co_return recorded;
  }
}

Task<void> restore_blob(Backend& backend, FullIndex& index, OpContext context, StateName name,
                        Restored& totals) {
  auto blob = co_await backend.get_state(context, name.to_text());
  // Listed and gone: a listing that lags, of a blob that a snapshot has replaced.
  if (!blob && blob.error().code() == Errc::not_found) co_return Status{};
  if (!blob) co_return fail(std::move(blob.error()));
  auto reader = StateReader::open(name, std::move(*blob));
  Status applied = reader ? Status() : Status(fail(reader.error()));
  if (reader) applied = co_await apply_blob(index, std::move(*reader), totals);
  ++totals.blobs;
  if (applied || applied.error().code() != Errc::corrupt) co_return applied;
  ++totals.damaged;
  log::error("{}; what else it told of leases is not known", applied.error().message());
  co_return Status{};
}

Result<bool> is_restored(FullIndex& index) {
  auto restored = index.get_value(kRestored);
  if (!restored) return fail(std::move(restored.error()));
  return restored->has_value();
}

}  // namespace

Task<void> restore_state(Backend& backend, FullIndex& index, Clock& clock,
                         const std::atomic<bool>& stopping) {
  auto done = is_restored(index);
  if (!done) co_return fail(std::move(done.error()));
  if (*done) co_return Status{};
  auto rebuild = index.rebuild_state();
  if (!rebuild) co_return fail(std::move(rebuild.error()));
  if (!rebuild->has_value()) co_return co_await index.set_value(kRestored, "1");
  const auto context = [&clock] { return OpContext(clock, clock.now() + limits::kRequestBudget); };
  auto listed = co_await backend.list_state(context());
  if (!listed) co_return fail(std::move(listed.error()));
  auto up_to = index.get_value(kRestoredUpTo);
  if (!up_to) co_return fail(std::move(up_to.error()));
  const auto last = StateName::from_text(up_to->value_or(""));
  std::vector<StateName> names;
  for (const std::string& text : *listed) {
    const auto name = StateName::from_text(text);
    if (name && name->kind != StateKind::snapshot_end && (!last || *name > *last)) {
      names.push_back(*name);
    }
  }
  std::ranges::sort(names);
  Restored totals;
  for (const StateName& name : names) {
    if (stopping) co_return fail(Errc::cancelled, "the node stops");
    auto taken = co_await restore_blob(backend, index, context(), name, totals);
    if (!taken) co_return fail(taken.error().with_context("restoring the index from state/"));
    auto noted = co_await index.set_value(kRestoredUpTo, name.to_text());
    if (!noted) co_return noted;
  }
  if (totals.blobs != 0) {
    log::info("index: {} records of {} state blobs were taken up, {} blobs were damaged",
              totals.records, totals.blobs, totals.damaged);
  }
  co_return co_await index.set_value(kRestored, "1");
}

}  // namespace sharestore
