#include "storage_server/index/store.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "storage_server/index/schema.h"

namespace sharestore::index_db {

namespace {

constexpr const char* kTotals =
    "update totals set immutable_shares=?1, mutable_shares=?2, immutable_bytes=?3, "
    "mutable_bytes=?4, leases=?5, lost_shares=?6, advisories=?7, unsaved=?8, last_upload=?9, "
    "last_renewal=?10, last_download=?11 where id=0";

// Blocks that the write-ahead log keeps beyond its end, so that a full disk still takes the few
// rows that a deletion needs.
constexpr off_t kReservedLogBytes = off_t{4} << 20;

void reserve_log(const std::filesystem::path& file) {
  const std::string log = file.string() + "-wal";
  const int fd = ::open(log.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  // Best effort: not every file system can, and a disk that is full already has none to give.
  (void)::fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, kReservedLogBytes);
  ::close(fd);
}

}  // namespace

Result<std::unique_ptr<Store>> Store::open(const IndexOptions& options, Clock& clock,
                                           SharedState& shared) {
  // Most of the index's work happens on this connection.
  auto connection =
      Connection::open(options.file, Connection::Mode::read_write, options.memory_bytes / 8 * 3);
  if (!connection) return fail(connection.error());
  auto created = prepare_schema(**connection, migrations());
  if (!created) return fail(created.error());
  reserve_log(options.file);
  std::unique_ptr<Store> store(new Store(std::move(*connection), options, clock, shared));
  store->is_new_ = *created;
  if (Status loaded = store->load(); !loaded) return fail(loaded.error());
  return store;
}

Store::Store(std::unique_ptr<Connection> connection, const IndexOptions& options, Clock& clock,
             SharedState& shared)
    : owned_connection_(std::move(connection)),
      connection_(*owned_connection_),
      kept_outside_(options.kept_outside),
      clock_(clock),
      shared_(shared),
      rows_(connection_),
      begin_(connection_, "begin immediate"),
      commit_(connection_, "commit"),
      log_append_(connection_, "insert into lease_log(seq, body) values(?1, ?2)"),
      log_trim_(connection_,
                "delete from lease_log where seq in "
                "(select seq from lease_log where seq<=?1 order by seq limit ?2)"),
      totals_(connection_, kTotals),
      value_set_(connection_, "insert or replace into value(name, value) values(?1, ?2)"),
      upload_put_(connection_,
                  "insert or replace into upload(si, num, size, started, note) "
                  "values(?1, ?2, ?3, ?4, x'')"),
      upload_drop_(connection_, "delete from upload where si=?1 and num=?2"),
      upload_note_(connection_, "update upload set note=?3 where si=?1 and num=?2"),
      upload_left_(connection_, "select 1 from upload where si=?1 limit 1"),
      upload_of_(connection_, "select 1 from upload where si=?1 and num=?2"),
      doubt_put_(connection_, "insert or ignore into doubt(si) values(?1)"),
      doubt_drop_(connection_, "delete from doubt where si=?1"),
      doubt_of_(connection_, "select 1 from doubt where si=?1"),
      advisory_put_(connection_, "insert into advisory(si, num, at, reason) values(?1,?2,?3,?4)"),
      advisory_trim_share_(connection_,
                           "delete from advisory where id in (select id from advisory where "
                           "si=?1 and num=?2 order by id desc limit -1 offset ?3)"),
      advisory_trim_all_(connection_,
                         "delete from advisory where id in (select id from advisory "
                         "order by id desc limit -1 offset ?1)"),
      removed_put_(connection_, "insert or replace into removed(si, num, at) values(?1, ?2, ?3)"),
      removed_drop_(connection_, "delete from removed where si=?1 and num=?2"),
      removed_ack_(connection_, "delete from removed where si=?1 and num=?2 and at<=?3"),
      gone_put_(connection_, "insert or ignore into gone(si) values(?1)"),
      gone_of_(connection_, "select 1 from gone where si=?1") {}

Store::~Store() = default;

Status Store::load() {
  const auto text = [this](std::string_view name) -> std::optional<std::string> {
    Statement statement(connection_, "select value from value where name=?1");
    auto row = statement.query(std::string(kOwnValues).append(name));
    if (!row.step()) return std::nullopt;
    return std::string(row.blob(0));
  };
  const auto number = [&text](std::string_view name) -> std::int64_t {
    const auto value = text(name);
    return value ? std::strtoll(value->c_str(), nullptr, 10) : 0;
  };
  if (text("damaged")) {
    return fail(Errc::corrupt, "the index " + connection_.file().string() +
                                   " was found damaged during an earlier run");
  }
  clean_mark_is_set_ = was_clean_ = text("clean") == "1";
  generation_ = number("rebuild.generation");
  starter_expiry_ = number("rebuild.starter_expiry");
  shared_.rebuilt_at = number("rebuild.ended");
  if (number("rebuild.running") != 0) shared_.rebuild_generation = generation_;

  Statement totals(connection_,
                   "select immutable_shares, mutable_shares, immutable_bytes, mutable_bytes, "
                   "leases, lost_shares, advisories, unsaved, last_upload, last_renewal, "
                   "last_download from totals where id=0");
  {
    auto row = totals.query();
    if (row.step()) {
      totals_committed_ = {row.integer(0), row.integer(1), row.integer(2), row.integer(3),
                           row.integer(4), row.integer(5), row.integer(6), row.integer(7)};
      shared_.activity.upload = row.integer(8);
      shared_.activity.renewal = row.integer(9);
      shared_.activity.download = row.integer(10);
    } else {
      connection_.note_failure(SQLITE_CORRUPT);
    }
  }
  shared_.set_counters(totals_committed_);
  shared_.doubtful_slots = connection_.integer("select count(*) from doubt").value_or(0);

  Statement leftovers(connection_, "select distinct si from upload");
  {
    auto row = leftovers.query();
    while (row.step()) shared_.add_leftover(row.storage_index(0));
  }
  return load_log();
}

Status Store::load_log() {
  Statement log(connection_, "select seq, body from lease_log order by seq");
  auto row = log.query();
  while (row.step()) {
    next_seq_ = row.integer(0) + 1;
    const auto renewals = decode_renewals(row.blob(1));
    if (!renewals) {
      connection_.note_failure(SQLITE_CORRUPT);
      break;
    }
    log_records_ += renewals->size();
    shared_.pending.add(*renewals);
  }
  return connection_.status();
}

void Store::begin() {
  begin_.run();
  if (clean_mark_is_set_ && ok()) set_value(std::string(kOwnValues) + "clean", "0");
}

void Store::append_log() {
  if (staged_renewals_.empty()) return;
  log_append_.run(next_seq_, encode_renewals(staged_renewals_));
}

void Store::flush_totals() {
  Counters totals = totals_committed_;
  totals.add(rows_.counters(), 1);
  totals.add(staged_advisories_, 1);
  if (totals == totals_committed_ && !activity_changed_) return;
  totals_.run(totals.immutable_shares, totals.mutable_shares, totals.immutable_bytes,
              totals.mutable_bytes, totals.leases, totals.lost_shares, totals.advisories,
              totals.unsaved, shared_.activity.upload.load(), shared_.activity.renewal.load(),
              shared_.activity.download.load());
}

Status Store::commit() {
  append_log();
  rows_.flush_days();
  flush_totals();
  bool committing = false;
  if (ok()) {
    committing = true;
    commit_.run();
  }
  Status status = connection_.status();
  failure_code_ = connection_.failure_code();
  if (!status) {
    const bool may_be_durable = committing && (failure_code_ & 0xff) == SQLITE_IOERR;
    status = fail(status.error().code(), status.error().message(), !may_be_durable);
    connection_.clear_failure();
    if (sqlite3_get_autocommit(connection_.handle()) == 0) connection_.exec("rollback");
    connection_.clear_failure();
  }
  settle_staged(status.has_value());
  return status;
}

void Store::settle_staged(bool committed) {
  if (committed) {
    clean_mark_is_set_ = false;
    totals_committed_.add(rows_.counters(), 1);
    totals_committed_.add(staged_advisories_, 1);
    activity_changed_ = false;
    if (!staged_renewals_.empty()) {
      shared_.pending.add(staged_renewals_);
      log_records_ += staged_renewals_.size();
      ++next_seq_;
    }
    shared_.doubtful_slots += staged_doubts_;
    for (const StorageIndex& si : staged_settled_) shared_.drop_leftover(si);
    if (staged_rebuild_) shared_.rebuild_generation = *staged_rebuild_;
    shared_.set_counters(totals_committed_);
  } else if (generation_before_) {
    generation_ = *generation_before_;
  }
  generation_before_.reset();
  rows_.forget_changes();
  staged_renewals_.clear();
  staged_settled_.clear();
  staged_doubts_ = 0;
  staged_rebuild_.reset();
  staged_advisories_ = {};
}

Status Store::write_clean_mark() {
  begin();
  activity_changed_ = true;
  set_value(std::string(kOwnValues) + "clean", "1");
  return commit();
}

void Store::mark_damaged() {
  connection_.clear_failure();
  begin_.run();
  set_value(std::string(kOwnValues) + "damaged", "1");
  commit_.run();
  connection_.clear_failure();
  if (sqlite3_get_autocommit(connection_.handle()) == 0) connection_.exec("rollback");
  connection_.clear_failure();
}

}  // namespace sharestore::index_db
