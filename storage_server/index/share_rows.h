// Rows of the table `share`, read from any connection and written by the writer's, with the totals
// and the forecast kept exact in the same transaction.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "storage_server/index/connection.h"
#include "storage_server/index/index.h"
#include "storage_server/index/lease_pack.h"

namespace sharestore::index_db {

struct StoredShare {
  StorageIndex storage_index;
  ShareRow row;
  Leases leases;  // as merged into the row
  std::int64_t expiry = kNever;
  // When to look at it for expiry; never later than expiry. Kept by put().
  std::int64_t due = kNever;
  // Since when its leases are newer than what is kept outside, unix seconds.
  std::optional<std::int64_t> unsaved;
  std::int64_t generation = 0;

  ShareId id() const { return {storage_index, row.info.number}; }
};

// Listed, leased, served.
inline bool is_listed(ShareState state) {
  return state == ShareState::present || state == ShareState::unread;
}

// The columns that read_share expects, in its order.
inline constexpr const char* kShareColumns =
    "si, num, kind, state, version, data_bytes, stored_bytes, first_write, last_write, expiry, "
    "due, unsaved, generation, enabler, leases";
// A row of such a query. Damaged columns are noted as a failure of `connection`.
StoredShare read_share(Statement::Query& query, Connection& connection);

// What is counted; also used for differences.
struct Counters {
  std::int64_t immutable_shares = 0;
  std::int64_t mutable_shares = 0;
  std::int64_t immutable_bytes = 0;
  std::int64_t mutable_bytes = 0;
  std::int64_t leases = 0;
  std::int64_t lost_shares = 0;
  std::int64_t advisories = 0;
  std::int64_t unsaved = 0;

  bool operator==(const Counters&) const = default;
  void add(const Counters& other, std::int64_t sign);
};

// What one row counts for. Lost shares hold no bytes and no lease that matters; shares that are
// being removed still hold theirs.
Counters counted(const StoredShare& share);
IndexTotals totals_of(const Counters& counters);

inline constexpr std::int64_t kSecondsPerDay = 86400;
inline std::int64_t day_of(std::int64_t unix_time) {
  return unix_time >= 0 ? unix_time / kSecondsPerDay : (unix_time + 1) / kSecondsPerDay - 1;
}

// The writer's access. One thread.
class ShareRows {
 public:
  explicit ShareRows(Connection& connection);

  // Every share of the storage index in order of number.
  std::vector<StoredShare> slot(const StorageIndex& storage_index);
  std::optional<StoredShare> find(const ShareId& share);
  // Stores `after` in place of `before` (null: there was none). Sets after.expiry, and after.due
  // where it must be.
  void put(const StoredShare* before, StoredShare& after);
  // The same where nothing but leases, due and unsaved differ.
  void put_leases(const StoredShare& before, StoredShare& after);
  // Its expiry is looked at again at after.due.
  void set_due(const ShareId& share, std::int64_t due);
  void remove(const StoredShare& share);

  // --- per transaction
  // Writes what changed of the forecast; the caller adds counters() to the totals.
  void flush_days();
  const Counters& counters() const { return counters_; }
  // After commit or rollback.
  void forget_changes();

 private:
  struct DayChange {
    std::int64_t shares = 0;
    std::int64_t bytes = 0;
  };
  void account(const StoredShare& share, std::int64_t sign);

  Connection& connection_;
  Statement slot_;
  Statement find_;
  Statement insert_;
  Statement update_;
  Statement update_leases_;
  Statement set_due_;
  Statement remove_;
  Statement day_;
  Counters counters_;
  std::map<std::pair<std::int64_t, int>, DayChange> days_;
};

// Sorts by number; SQLite orders the upper half of the numbers first.
void sort_by_number(std::vector<StoredShare>& shares);

}  // namespace sharestore::index_db
