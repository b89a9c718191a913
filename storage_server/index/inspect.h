// Looking at the whole index: activity, advisories, rows in order, and whether it is sound.
//
// Threads: any. Errors of reads: corrupt, io_error, cancelled (the index stopped).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backends/core/lease.h"
#include "backends/core/task.h"
#include "storage_server/index/index.h"

namespace sharestore {

// When something last happened, unix seconds; 0: never. After a crash a few minutes may be missing.
struct IndexActivity {
  std::int64_t upload = 0;
  std::int64_t renewal = 0;
  std::int64_t download = 0;
};

struct AdvisoryRow {
  ShareId share;
  std::int64_t at = 0;  // unix seconds
  std::string reason;   // at most 1024 bytes of it
};

// One share with all that the index knows.
struct IndexRow {
  StorageIndex storage_index;
  ShareRow row;
  Leases leases;  // pending renewals included
};

struct RowPage {
  std::vector<IndexRow> rows;
  // Where to go on; nothing at the end.
  std::optional<ShareId> next;
};

struct IndexSize {
  std::uint64_t file_bytes = 0;
  std::uint64_t log_bytes = 0;
};

class IndexInspect {
 public:
  virtual ~IndexInspect() = default;

  virtual IndexActivity activity() const = 0;
  // A share was read. In memory; kept with the next change.
  virtual void note_download(std::int64_t now) = 0;

  // The newest first, at most `limit`.
  virtual Result<std::vector<AdvisoryRow>> advisories(std::size_t limit) = 0;

  // Rows in the index's own order, at most `limit`, from behind `after` (nothing: from the
  // beginning). Each page is consistent in itself; memory is bounded by the page.
  virtual Result<RowPage> rows(std::optional<ShareId> after, std::size_t limit) = 0;
  // The place before every share of `first` and of the storage indexes behind it.
  static ShareId before(StorageIndex first) { return {first, ShareNumber{1} << 63}; }

  // The totals counted anew, by a scan of every row: for verification.
  virtual Result<IndexTotals> recount() = 0;

  // SQLite's full check, on a connection and a thread of its own; takes seconds per gigabyte.
  // Answers what is wrong, at most 100 sentences; empty: sound. What it finds is told by health(),
  // and the next open() answers corrupt. busy: one is running.
  virtual Task<std::vector<std::string>> check() = 0;

  virtual IndexSize size() const = 0;
};

}  // namespace sharestore
