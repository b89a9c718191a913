#include "storage_server/index/schema.h"

#include <array>
#include <string>

namespace sharestore::index_db {

namespace {

// "shrx": tells our file from any other SQLite database.
constexpr std::int64_t kApplicationId = 0x73687278;

// share: one row per share. expiry: the latest end of its leases as merged into the row, never
// (2^63 - 1) where it has none. due: no later than that, and what expiry goes by; it is not moved
// by renewals but when it comes up, since an index entry moved per renewal costs a page each.
// unsaved: since when its leases are newer than what is kept outside. generation: the rebuild that
// last saw it. leases: lease_pack.h. lease_log: renewals not yet merged into their rows, one row
// per committed group (lease_log.h). gone: storage indexes whose shares went while a rebuild was
// under way. removed: shares that went and are not yet told to what is kept outside.
constexpr const char* kVersion1 = R"sql(
create table value(name text primary key, value blob not null) without rowid;
create table totals(
  id integer primary key check(id = 0),
  immutable_shares integer not null default 0, mutable_shares integer not null default 0,
  immutable_bytes integer not null default 0, mutable_bytes integer not null default 0,
  leases integer not null default 0, lost_shares integer not null default 0,
  advisories integer not null default 0, unsaved integer not null default 0,
  last_upload integer not null default 0, last_renewal integer not null default 0,
  last_download integer not null default 0);
insert into totals(id) values(0);
create table share(
  si blob not null, num integer not null, kind integer not null, state integer not null,
  version integer not null, data_bytes integer not null, stored_bytes integer not null,
  first_write integer not null, last_write integer not null, expiry integer not null,
  due integer not null, unsaved integer, generation integer not null, enabler blob, leases blob not null,
  primary key(si, num)) without rowid;
create index share_due on share(due);
create index share_unsaved on share(unsaved) where unsaved is not null;
create index share_state on share(state) where state in (2, 3);
create table expiry_day(
  day integer not null, kind integer not null, shares integer not null, bytes integer not null,
  primary key(day, kind)) without rowid;
create table lease_log(seq integer primary key, body blob not null);
create table upload(
  si blob not null, num integer not null, size integer not null, started integer not null,
  note blob not null, primary key(si, num)) without rowid;
create table intent(id integer primary key autoincrement, si blob not null, body blob not null);
create table doubt(si blob primary key) without rowid;
create table advisory(
  id integer primary key autoincrement, si blob not null, num integer not null,
  at integer not null, reason blob not null);
create index advisory_share on advisory(si, num);
create table gone(si blob primary key) without rowid;
create table removed(
  si blob not null, num integer not null, at integer not null, primary key(si, num)) without rowid;
)sql";

constexpr std::array<const char*, 1> kMigrations = {kVersion1};

// The mistakes a person can make with the file, before SQLite words them.
Status check_owner(Connection& connection) {
  const auto application = connection.integer("pragma application_id");
  const auto tables = connection.integer("select count(*) from sqlite_schema");
  if (!connection.ok()) return connection.status();
  if (application == kApplicationId || (application == 0 && tables == 0)) return {};
  return fail(Errc::corrupt, "the index " + connection.file().string() +
                                 ": this is the database of another program");
}

Status migrate(Connection& connection, std::int64_t from, std::span<const char* const> steps) {
  connection.exec("begin immediate");
  if (from == 0) {
    connection.exec(
        "create table schema(version integer not null);"
        "insert into schema values(0)");
    connection.exec(("pragma application_id=" + std::to_string(kApplicationId)).c_str());
  }
  for (auto i = static_cast<std::size_t>(from); i < steps.size(); ++i) connection.exec(steps[i]);
  connection.exec(("update schema set version=" + std::to_string(steps.size())).c_str());
  connection.exec("commit");
  Status status = connection.status();
  if (!status && sqlite3_get_autocommit(connection.handle()) == 0) {
    sqlite3_exec(connection.handle(), "rollback", nullptr, nullptr, nullptr);
  }
  return status;
}

}  // namespace

std::span<const char* const> migrations() { return kMigrations; }

Result<bool> prepare_schema(Connection& connection, std::span<const char* const> steps) {
  if (Status owner = check_owner(connection); !owner) return fail(owner.error());
  const auto mode = connection.text("pragma journal_mode=wal");
  // Checkpoints have a thread of their own. The log keeps its blocks: a full disk must not keep
  // deletions from being recorded.
  connection.exec(
      "pragma synchronous=full; pragma wal_autocheckpoint=0;"
      "pragma journal_size_limit=67108864; pragma foreign_keys=off");
  if (!connection.ok()) return fail(connection.status().error());
  if (mode != "wal") {
    return fail(Errc::io_error, "the index " + connection.file().string() +
                                    ": write-ahead logging does not work on this file system");
  }
  const bool is_new = connection.integer("select count(*) from sqlite_schema") == 0;
  const std::int64_t version =
      is_new ? 0 : connection.integer("select version from schema").value_or(-1);
  if (!connection.ok() || version < 0) {
    // Ours by its mark and yet without our tables: damage, whatever SQLite calls it.
    return fail(Errc::corrupt,
                "the index " + connection.file().string() + ": the schema cannot be read");
  }
  const auto newest = static_cast<std::int64_t>(steps.size());
  if (version > newest) {
    return fail(Errc::corrupt, "the index " + connection.file().string() + " has schema version " +
                                   std::to_string(version) + ", newer than the " +
                                   std::to_string(newest) + " this program knows");
  }
  if (version < newest || is_new) {
    if (Status done = migrate(connection, version, steps); !done) return fail(done.error());
  }
  return is_new;
}

}  // namespace sharestore::index_db
