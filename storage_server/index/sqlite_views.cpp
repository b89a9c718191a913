// The views for maintenance: expiry, the lease backlog, rebuilding, inspection.
#include <sys/stat.h>

#include <algorithm>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <limits>

#include "storage_server/index/sqlite_index.h"

namespace sharestore::index_db {

namespace {

// Rows looked at in one transaction when the remains of a rebuild are swept.
constexpr std::size_t kSweepChunk = 2000;
constexpr int kMaxCheckFindings = 100;

std::string share_query(std::string_view rest) {
  return std::string("select ") + kShareColumns + " from share " + std::string(rest);
}

DueShare due_share(const StoredShare& share) { return {share.id(), share.row.info, share.expiry}; }

std::uint64_t file_bytes(const std::string& file) {
  struct stat st{};
  return ::stat(file.c_str(), &st) == 0 ? static_cast<std::uint64_t>(st.st_size) : 0;
}

}  // namespace

template <class Use, class... Values>
Status SqliteIndex::for_shares(const std::string& sql, Use use, const Values&... values) {
  auto reader = readers_.take();
  if (!reader) return fail(reader.error());
  Connection& connection = (*reader)->connection;
  Statement statement(connection, sql.c_str());
  auto row = statement.query(values...);
  while (row.step()) use(read_share(row, connection));
  return connection.status();
}

Task<DuePage> SqliteIndex::due_leases(DueQuery query) {
  DuePage page;
  std::vector<ShareId> renewed;
  std::optional<DueCursor> last;
  std::size_t looked_at = 0;
  const auto use = [&](const StoredShare& share) {
    ++looked_at;
    last = {share.due, share.id()};
    if (!is_listed(share.row.state) || (query.kind && share.row.info.kind != *query.kind)) return;
    Leases leases = share.leases;
    shared_->pending.apply(share.storage_index, leases);
    const std::int64_t expiry = latest_expiry(leases);
    if (expiry < query.before) {
      page.shares.push_back({share.id(), share.row.info, expiry});
    } else {
      renewed.push_back(share.id());
    }
  };
  const DueCursor from = query.after.value_or(
      DueCursor{std::numeric_limits<std::int64_t>::min(), {StorageIndex(), ShareNumber{1} << 63}});
  Status read = for_shares(share_query("where due<?1 and (due, si, num) > (?2, ?3, ?4) "
                                       "order by due, si, num limit ?5"),
                           use, query.before, from.due, from.share.storage_index, from.share.number,
                           static_cast<std::uint64_t>(query.limit));
  if (!read) co_return fail(read.error());
  if (looked_at == query.limit) page.next = last;
  if (!renewed.empty()) {
    Status moved =
        co_await writer_.submit<void>([renewed = std::move(renewed)](Store& store) -> Status {
          store.move_due(renewed);
          return {};
        });
    // Where nothing can be written they come up again: no harm.
    if (!moved && moved.error().code() == Errc::cancelled) co_return fail(moved.error());
  }
  co_return page;
}

Task<bool> SqliteIndex::claim_expired(ShareId share, std::int64_t before) {
  return writer_.submit<bool>(
      [share, before](Store& store) -> Result<bool> { return store.claim_expired(share, before); });
}

Result<std::vector<DueShare>> SqliteIndex::going_shares(std::size_t limit) {
  std::vector<DueShare> going;
  Status read = for_shares(
      share_query("where state=2 limit ?1"),
      [&going](const StoredShare& share) { going.push_back(due_share(share)); },
      static_cast<std::uint64_t>(limit));
  if (!read) return fail(read.error());
  return going;
}

Result<ForecastLine> SqliteIndex::forecast(std::int64_t until) {
  auto reader = readers_.take();
  if (!reader) return fail(reader.error());
  Connection& connection = (*reader)->connection;
  Statement days(connection,
                 "select kind, sum(shares), sum(bytes) from expiry_day where day<?1 group by kind");
  ForecastLine line;
  {
    auto row = days.query(day_of(until));
    while (row.step()) {
      const bool is_immutable = row.integer(0) == 0;
      (is_immutable ? line.immutable_shares : line.mutable_shares) =
          static_cast<std::uint64_t>(row.integer(1));
      (is_immutable ? line.immutable_bytes : line.mutable_bytes) =
          static_cast<std::uint64_t>(row.integer(2));
    }
  }
  if (Status read = connection.status(); !read) return fail(read.error());
  return line;
}

Result<BacklogState> SqliteIndex::backlog() {
  auto reader = readers_.take();
  if (!reader) return fail(reader.error());
  BacklogState state;
  state.shares = static_cast<std::uint64_t>(shared_->counters().unsaved);
  state.pending = shared_->pending.size();
  if (options_.kept_outside == KeptOutside::nothing) return state;
  Connection& connection = (*reader)->connection;
  Statement oldest(connection, "select min(unsaved) from share where unsaved is not null");
  {
    auto row = oldest.query();
    if (row.step() && !row.is_null(0)) state.oldest = row.integer(0);
  }
  if (Status read = connection.status(); !read) return fail(read.error());
  return state;
}

Task<void> SqliteIndex::fold_renewals() { return writer_.fold(); }

Result<std::vector<UnsavedShare>> SqliteIndex::unsaved(std::size_t limit) {
  std::vector<UnsavedShare> shares;
  const auto use = [&](const StoredShare& share) {
    UnsavedShare one{share.id(), share.row, share.leases, share.unsaved.value_or(0)};
    shared_->pending.apply(share.storage_index, one.leases);
    shares.push_back(std::move(one));
  };
  Status read = for_shares(share_query("where unsaved is not null order by unsaved limit ?1"), use,
                           static_cast<std::uint64_t>(limit));
  if (!read) return fail(read.error());
  return shares;
}

Task<void> SqliteIndex::acknowledge_saved(std::vector<SavedLeases> saved) {
  return writer_.submit<void>([saved = std::move(saved)](Store& store) -> Status {
    store.acknowledge_saved(saved);
    return {};
  });
}

Result<std::vector<RemovedShare>> SqliteIndex::removed(std::size_t limit) {
  auto reader = readers_.take();
  if (!reader) return fail(reader.error());
  Connection& connection = (*reader)->connection;
  std::vector<RemovedShare> shares;
  Statement all(connection, "select si, num, at from removed limit ?1");
  {
    auto row = all.query(static_cast<std::uint64_t>(limit));
    while (row.step()) {
      const auto number = static_cast<ShareNumber>(row.integer(1));
      shares.push_back({{row.storage_index(0), number}, row.integer(2)});
    }
  }
  if (Status read = connection.status(); !read) return fail(read.error());
  return shares;
}

Task<void> SqliteIndex::acknowledge_removed(std::vector<RemovedShare> removed) {
  return writer_.submit<void>([removed = std::move(removed)](Store& store) -> Status {
    store.acknowledge_removed(removed);
    return {};
  });
}

Result<std::optional<RebuildState>> SqliteIndex::rebuild_state() {
  const std::int64_t generation = shared_->rebuild_generation.load();
  if (generation == 0) return std::optional<RebuildState>();
  auto cursor = get_value("index.rebuild.cursor");
  if (!cursor) return fail(cursor.error());
  return std::optional<RebuildState>({generation, {cursor->value_or("")}});
}

Task<void> SqliteIndex::begin_rebuild(std::int64_t starter_expiry) {
  return writer_.submit<void>([starter_expiry](Store& store) -> Status {
    store.begin_rebuild(starter_expiry);
    return {};
  });
}

Task<RecordedBatch> SqliteIndex::record_scanned(std::vector<ScannedShare> shares, ScanCursor next) {
  if (shares.size() > kMaxScanBatch) {
    co_return fail(Errc::invalid_argument, "a scan batch of " + std::to_string(shares.size()) +
                                               " shares is more than " +
                                               std::to_string(kMaxScanBatch));
  }
  co_return co_await writer_.submit<RecordedBatch>(
      [shares = std::move(shares), next = std::move(next)](Store& store) -> Result<RecordedBatch> {
        return store.record_scanned(shares, next);
      });
}

Task<void> SqliteIndex::record_remembered(std::vector<RememberedShare> shares) {
  if (shared_->rebuild_generation.load() == 0) {
    co_return fail(Errc::conflict, "no rebuild of the index is under way");
  }
  if (shares.size() > kMaxScanBatch) {
    co_return fail(Errc::invalid_argument, "more remembered shares than a batch may hold");
  }
  co_return co_await writer_.submit<void>([shares = std::move(shares)](Store& store) -> Status {
    store.record_remembered(shares);
    return {};
  });
}

Result<UnseenPage> SqliteIndex::unseen(std::optional<ShareId> after, std::size_t limit) {
  const std::int64_t generation = shared_->rebuild_generation.load();
  UnseenPage page;
  if (generation == 0) return page;
  const ShareId from = after.value_or(ShareId{StorageIndex(), ShareNumber{1} << 63});
  std::size_t looked_at = 0;
  std::optional<ShareId> last;
  Status read = for_shares(
      share_query("where (si, num) > (?1, ?2) order by si, num limit ?3"),
      [&](const StoredShare& share) {
        ++looked_at;
        last = share.id();
        // Lost ones need no looking for: they stay.
        if (share.generation >= generation || share.row.state == ShareState::lost) return;
        if (!page.slots.empty() && page.slots.back() == share.storage_index) return;
        page.slots.push_back(share.storage_index);
      },
      from.storage_index, from.number, static_cast<std::uint64_t>(limit));
  if (!read) return fail(read.error());
  if (looked_at == limit) page.next = last;
  return page;
}

Task<std::uint64_t> SqliteIndex::finish_rebuild() {
  if (shared_->rebuild_generation.load() == 0) {
    co_return fail(Errc::conflict, "no rebuild of the index is under way");
  }
  std::uint64_t removed = 0;
  std::optional<ShareId> from = ShareId{StorageIndex(), ShareNumber{1} << 63};
  while (from) {
    auto step =
        co_await writer_.submit<SweepStep>([after = *from](Store& store) -> Result<SweepStep> {
          return store.sweep_unseen(after, kSweepChunk);
        });
    if (!step) co_return fail(step.error());
    removed += step->removed;
    from = step->next;
  }
  Status ended = co_await writer_.submit<void>([](Store& store) -> Status {
    store.end_rebuild();
    return {};
  });
  if (!ended) co_return fail(ended.error());
  co_return removed;
}

IndexActivity SqliteIndex::activity() const {
  const ActivityTimes& times = shared_->activity;
  return {times.upload.load(), times.renewal.load(), times.download.load()};
}

void SqliteIndex::note_download(std::int64_t now) { shared_->activity.download = now; }

Result<std::vector<AdvisoryRow>> SqliteIndex::advisories(std::size_t limit) {
  auto reader = readers_.take();
  if (!reader) return fail(reader.error());
  Connection& connection = (*reader)->connection;
  std::vector<AdvisoryRow> rows;
  Statement all(connection, "select si, num, at, reason from advisory order by id desc limit ?1");
  {
    auto row = all.query(static_cast<std::uint64_t>(limit));
    while (row.step()) {
      const auto number = static_cast<ShareNumber>(row.integer(1));
      rows.push_back({{row.storage_index(0), number}, row.integer(2), std::string(row.blob(3))});
    }
  }
  if (Status read = connection.status(); !read) return fail(read.error());
  return rows;
}

Result<RowPage> SqliteIndex::rows(std::optional<ShareId> after, std::size_t limit) {
  const ShareId from = after.value_or(ShareId{StorageIndex(), ShareNumber{1} << 63});
  while (true) {
    const std::uint64_t epoch = shared_->pending.epoch();
    RowPage page;
    Status read = for_shares(
        share_query("where (si, num) > (?1, ?2) order by si, num limit ?3"),
        [&](const StoredShare& share) {
          IndexRow row{share.storage_index, share.row, share.leases};
          shared_->pending.apply(share.storage_index, row.leases);
          page.rows.push_back(std::move(row));
        },
        from.storage_index, from.number, static_cast<std::uint64_t>(limit));
    if (!read) return fail(read.error());
    // Read again if renewals were merged between the two looks.
    if (shared_->pending.epoch() != epoch) continue;
    if (page.rows.size() == limit && limit != 0) {
      page.next = ShareId{page.rows.back().storage_index, page.rows.back().row.info.number};
    }
    return page;
  }
}

Result<IndexTotals> SqliteIndex::recount() {
  Counters counters;
  Status read = for_shares(
      share_query(""), [&counters](const StoredShare& share) { counters.add(counted(share), 1); });
  if (!read) return fail(read.error());
  counters.advisories = shared_->counters().advisories;
  return totals_of(counters);
}

Result<std::vector<std::string>> SqliteIndex::run_check() {
  auto connection =
      Connection::open(options_.file, Connection::Mode::read_only, options_.memory_bytes / 8);
  if (!connection) return fail(connection.error());
  {
    std::lock_guard lock(check_.mutex);
    if (check_.stopping) return fail(Errc::cancelled, "the index has stopped");
    check_.connection = connection->get();
  }
  std::vector<std::string> findings;
  {
    Statement check(**connection,
                    ("pragma integrity_check(" + std::to_string(kMaxCheckFindings) + ")").c_str());
    auto row = check.query();
    while (row.step()) findings.emplace_back(row.blob(0));
  }
  if (findings.size() == 1 && findings.front() == "ok") {
    findings.clear();
    // What SQLite cannot see: flipped bits inside values.
    Statement shares(**connection, share_query("").c_str());
    auto row = shares.query();
    while (row.step() && (*connection)->ok()) (void)read_share(row, **connection);
  }
  std::lock_guard lock(check_.mutex);
  check_.connection = nullptr;
  const Status status = (*connection)->status();
  if (check_.stopping) return fail(Errc::cancelled, "the index has stopped");
  if (!status && status.error().code() != Errc::corrupt) return fail(status.error());
  if (!status) findings.push_back(status.error().message());
  return findings;
}

Task<std::vector<std::string>> SqliteIndex::check() {
  using Findings = Result<std::vector<std::string>>;
  {
    std::lock_guard lock(check_.mutex);
    if (check_.stopping) co_return fail(Errc::cancelled, "the index has stopped");
    if (check_.running) co_return fail(Errc::busy, "a check of the index is running");
    check_.running = true;
    if (check_.thread.joinable()) check_.thread.join();
  }
  Findings findings =
      co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void(Findings)>(
          [this](auto handler) {
            auto guard =
                boost::asio::make_work_guard(boost::asio::get_associated_executor(handler));
            std::lock_guard lock(check_.mutex);
            check_.thread = std::thread([this, handler = std::move(handler),
                                         guard = std::move(guard)]() mutable {
              Findings found = run_check();
              {
                std::lock_guard inner(check_.mutex);
                check_.running = false;
              }
              boost::asio::post(guard.get_executor(),
                                [handler = std::move(handler), found = std::move(found)]() mutable {
                                  std::move(handler)(std::move(found));
                                });
            });
          },
          boost::asio::use_awaitable);
  if (findings && !findings->empty()) {
    const std::string sentence = "the index is damaged: " + findings->front();
    (void)co_await writer_.submit<void>([](Store& store) -> Status {
      store.set_value("index.damaged", "1");
      return {};
    });
    shared_->poison(sentence);
  }
  co_return findings;
}

IndexSize SqliteIndex::size() const {
  return {file_bytes(options_.file.string()), file_bytes(options_.file.string() + "-wal")};
}

}  // namespace sharestore::index_db
