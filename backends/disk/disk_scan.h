// Finding shares on disk: one slot, or all of them page by page.
//
// A scan goes by prefix, then storage index, then share number; its cursor is "<XX>", or
// "<storage index>/<number>" of the last share reported. Foreign names and empty directories are
// passed over.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "backends/backend.h"
#include "backends/disk/disk_parts.h"

namespace sharestore {

// Threads: any.
class DiskScanner {
 public:
  explicit DiskScanner(DiskParts& parts) : parts_(parts) {}

  // See Backend::list.
  Task<std::vector<ShareInfo>> list(StorageIndex index);
  // See Backend::scan.
  Task<ScanPage> scan(ScanCursor cursor, std::size_t limit);

 private:
  using Names = std::shared_ptr<const std::vector<std::string>>;

  struct Position {
    std::string prefix;      // the first prefix to look into
    std::string index;       // shares up to this one of it were reported; empty: none
    ShareNumber number = 0;  // the last one reported of `index`
  };

  // The shares of some storage indexes, in order.
  using Found = Result<std::vector<ScannedShare>>;

  static Result<Position> parse(const std::string& cursor);
  // At most `limit` storage indexes from the position on; none at the end of all.
  Result<std::vector<StorageIndex>> next_indexes(const Position& from, std::size_t limit);
  // At most `most` shares of each: enough to fill a page where one has more.
  Found scan_indexes(const std::vector<StorageIndex>& indexes, std::size_t begin, std::size_t end,
                     const Position& from, std::size_t most) const;
  // The same by several threads at once.
  Task<std::vector<ScannedShare>> scan_at_once(std::vector<StorageIndex> indexes, Position from,
                                               std::size_t most);
  // Its own, while a scan is under way: what clients ask does not wait behind it.
  std::shared_ptr<IoPool> scan_threads();
  void drop_scan_threads();
  ScannedShare scan_share(ShareId share) const;
  Result<std::vector<ShareNumber>> numbers_of(StorageIndex index) const;
  // The storage indexes of a prefix in order. The last listing is kept: the next page wants it.
  Result<Names> indexes_of(const std::string& prefix, bool fresh);

  DiskParts& parts_;
  std::mutex mutex_;
  std::string cached_prefix_;
  Names cached_;
  std::shared_ptr<IoPool> scan_threads_;
};

}  // namespace sharestore
