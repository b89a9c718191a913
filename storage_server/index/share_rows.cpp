#include "storage_server/index/share_rows.h"

#include <algorithm>
#include <string>

namespace sharestore::index_db {

namespace {

const std::string& slot_sql() {
  static const std::string sql = std::string("select ") + kShareColumns + " from share where si=?1";
  return sql;
}

const std::string& find_sql() {
  static const std::string sql = slot_sql() + " and num=?2";
  return sql;
}

constexpr const char* kInsert =
    "insert into share(si, num, kind, state, version, data_bytes, stored_bytes, first_write, "
    "last_write, expiry, due, unsaved, generation, enabler, leases) "
    "values(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15)";
constexpr const char* kUpdate =
    "update share set kind=?3, state=?4, version=?5, data_bytes=?6, stored_bytes=?7, "
    "first_write=?8, last_write=?9, expiry=?10, due=?11, unsaved=?12, generation=?13, enabler=?14, "
    "leases=?15 where si=?1 and num=?2";
// Without `due`: its index entry is left alone.
constexpr const char* kUpdateLeases =
    "update share set expiry=?3, unsaved=?4, leases=?5 where si=?1 and num=?2";
constexpr const char* kDay =
    "insert into expiry_day(day, kind, shares, bytes) values(?1,?2,?3,?4) "
    "on conflict(day, kind) do update set shares=shares+?3, bytes=bytes+?4";

}  // namespace

StoredShare read_share(Statement::Query& query, Connection& connection) {
  StoredShare share;
  share.storage_index = query.storage_index(0);
  ShareInfo& info = share.row.info;
  info.number = static_cast<ShareNumber>(query.integer(1));
  const std::int64_t kind = query.integer(2);
  const std::int64_t state = query.integer(3);
  const std::int64_t version = query.integer(4);
  auto leases = unpack_leases(query.blob(14));
  if (kind < 0 || kind > 1 || state < 0 || state > 3 || version < 0 || version > 2 || !leases) {
    connection.note_failure(SQLITE_CORRUPT);
    return share;
  }
  info.kind = static_cast<ShareKind>(kind);
  share.row.state = static_cast<ShareState>(state);
  info.container_version = static_cast<int>(version);
  info.data_bytes = static_cast<std::uint64_t>(query.integer(5));
  info.stored_bytes = static_cast<std::uint64_t>(query.integer(6));
  share.row.first_write = query.integer(7);
  share.row.last_write = query.integer(8);
  share.expiry = query.integer(9);
  share.due = query.integer(10);
  if (!query.is_null(11)) share.unsaved = query.integer(11);
  share.generation = query.integer(12);
  info.enabler_digest = query.digest(13);
  share.leases = std::move(*leases);
  return share;
}

void Counters::add(const Counters& other, std::int64_t sign) {
  immutable_shares += sign * other.immutable_shares;
  mutable_shares += sign * other.mutable_shares;
  immutable_bytes += sign * other.immutable_bytes;
  mutable_bytes += sign * other.mutable_bytes;
  leases += sign * other.leases;
  lost_shares += sign * other.lost_shares;
  advisories += sign * other.advisories;
  unsaved += sign * other.unsaved;
}

Counters counted(const StoredShare& share) {
  Counters counters;
  counters.unsaved = share.unsaved ? 1 : 0;
  if (share.row.state == ShareState::lost) {
    counters.lost_shares = 1;
    return counters;
  }
  const auto bytes = static_cast<std::int64_t>(share.row.info.stored_bytes);
  if (share.row.info.kind == ShareKind::immutable) {
    counters.immutable_shares = 1;
    counters.immutable_bytes = bytes;
  } else {
    counters.mutable_shares = 1;
    counters.mutable_bytes = bytes;
  }
  counters.leases = static_cast<std::int64_t>(share.leases.size());
  return counters;
}

IndexTotals totals_of(const Counters& counters) {
  IndexTotals totals;
  totals.immutable_shares = static_cast<std::uint64_t>(counters.immutable_shares);
  totals.mutable_shares = static_cast<std::uint64_t>(counters.mutable_shares);
  totals.immutable_bytes = static_cast<std::uint64_t>(counters.immutable_bytes);
  totals.mutable_bytes = static_cast<std::uint64_t>(counters.mutable_bytes);
  totals.leases = static_cast<std::uint64_t>(counters.leases);
  totals.lost_shares = static_cast<std::uint64_t>(counters.lost_shares);
  totals.advisories = static_cast<std::uint64_t>(counters.advisories);
  return totals;
}

ShareRows::ShareRows(Connection& connection)
    : connection_(connection),
      slot_(connection, slot_sql().c_str()),
      find_(connection, find_sql().c_str()),
      insert_(connection, kInsert),
      update_(connection, kUpdate),
      update_leases_(connection, kUpdateLeases),
      set_due_(connection, "update share set due=?3 where si=?1 and num=?2"),
      remove_(connection, "delete from share where si=?1 and num=?2"),
      day_(connection, kDay) {}

std::vector<StoredShare> ShareRows::slot(const StorageIndex& storage_index) {
  std::vector<StoredShare> shares;
  auto row = slot_.query(storage_index);
  while (row.step()) shares.push_back(read_share(row, connection_));
  sort_by_number(shares);
  return shares;
}

std::optional<StoredShare> ShareRows::find(const ShareId& share) {
  auto row = find_.query(share.storage_index, share.number);
  if (!row.step()) return std::nullopt;
  return read_share(row, connection_);
}

void ShareRows::put(const StoredShare* before, StoredShare& after) {
  after.expiry = latest_expiry(after.leases);
  after.due = std::min(after.due, after.expiry);
  if (before != nullptr) account(*before, -1);
  account(after, 1);
  const ShareInfo& info = after.row.info;
  Statement& statement = before == nullptr ? insert_ : update_;
  statement.run(after.storage_index, info.number, static_cast<int>(info.kind),
                static_cast<int>(after.row.state), info.container_version, info.data_bytes,
                info.stored_bytes, after.row.first_write, after.row.last_write, after.expiry,
                after.due, after.unsaved, after.generation, info.enabler_digest,
                pack_leases(after.leases));
}

void ShareRows::put_leases(const StoredShare& before, StoredShare& after) {
  after.expiry = latest_expiry(after.leases);
  if (after.expiry < after.due) {
    put(&before, after);
    return;
  }
  account(before, -1);
  account(after, 1);
  update_leases_.run(after.storage_index, after.row.info.number, after.expiry, after.unsaved,
                     pack_leases(after.leases));
}

void ShareRows::set_due(const ShareId& share, std::int64_t due) {
  set_due_.run(share.storage_index, share.number, due);
}

void ShareRows::remove(const StoredShare& share) {
  account(share, -1);
  remove_.run(share.storage_index, share.row.info.number);
}

void ShareRows::account(const StoredShare& share, std::int64_t sign) {
  counters_.add(counted(share), sign);
  if (!is_listed(share.row.state) || share.expiry == kNever) return;
  DayChange& day = days_[{day_of(share.expiry), static_cast<int>(share.row.info.kind)}];
  day.shares += sign;
  day.bytes += sign * static_cast<std::int64_t>(share.row.info.stored_bytes);
}

void ShareRows::flush_days() {
  for (const auto& [key, change] : days_) {
    if (change.shares == 0 && change.bytes == 0) continue;
    day_.run(key.first, key.second, change.shares, change.bytes);
  }
}

void ShareRows::forget_changes() {
  counters_ = {};
  days_.clear();
}

void sort_by_number(std::vector<StoredShare>& shares) {
  std::sort(shares.begin(), shares.end(), [](const StoredShare& a, const StoredShare& b) {
    return a.row.info.number < b.row.info.number;
  });
}

}  // namespace sharestore::index_db
