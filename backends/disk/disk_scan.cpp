#include "backends/disk/disk_scan.h"

#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <cerrno>
#include <exception>
#include <iterator>
#include <limits>
#include <optional>
#include <utility>

#include "backends/core/async_event.h"
#include "backends/share_file/leases.h"

namespace sharestore {
namespace {

// A page is held in memory whole.
constexpr std::size_t kMaxPageShares = 10'000;
// Storage indexes looked into together, in parts, of which so many at once: most of the time they
// wait for the disk.
constexpr std::size_t kMaxIndexesAtOnce = 2048;
constexpr std::size_t kIndexesPerPart = 16;
constexpr std::size_t kPartsAtOnce = 24;
// Everything of a storage index was reported.
constexpr ShareNumber kLastNumber = std::numeric_limits<ShareNumber>::max();
constexpr std::string_view kAlphabet = "234567abcdefghijklmnopqrstuvwxyz";  // in order of ASCII

// The prefixes from `from` on, in order.
std::vector<std::string> prefixes_from(const std::string& from) {
  std::vector<std::string> prefixes;
  for (const char first : kAlphabet) {
    for (const char second : kAlphabet) {
      std::string prefix{first, second};
      if (prefix >= from) prefixes.push_back(std::move(prefix));
    }
  }
  return prefixes;
}

}  // namespace

Result<std::vector<ShareNumber>> DiskScanner::numbers_of(StorageIndex index) const {
  std::vector<std::string> names;
  const int result = parts_.files.list(parts_.layout.index_directory(index), names);
  if (result < 0 && result != -ENOENT && result != -ENOTDIR) {
    return fail(file_error(result, index.to_text()));
  }
  std::vector<ShareNumber> numbers;
  for (const std::string& name : names) {
    if (const auto number = share_number_of_name(name)) numbers.push_back(*number);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

ScannedShare DiskScanner::scan_share(ShareId share) const {
  ScannedShare scanned;
  scanned.share = share;
  const auto open = open_share_file(parts_.files, parts_.layout, share, O_RDONLY);
  if (!open) {
    // Removed since its name was read: not reported.
    if (open.error().code() != Errc::not_found) scanned.damage = open.error().message();
    FileStat info;
    if (parts_.files.stat(parts_.layout.share(share), info) == 0) {
      scanned.stored_bytes = info.bytes;
    }
    return scanned;
  }
  scanned.stored_bytes = open->header.file_bytes;
  auto leases = load_leases(open->file.reader(), open->header);
  if (!leases) {
    scanned.damage = leases.error().message();
    return scanned;
  }
  scanned.info = to_share_info(share.number, open->header);
  scanned.leases = std::move(*leases);
  return scanned;
}

Result<DiskScanner::Names> DiskScanner::indexes_of(const std::string& prefix, bool fresh) {
  {
    const std::lock_guard lock(mutex_);
    if (!fresh && cached_ && cached_prefix_ == prefix) return cached_;
  }
  std::vector<std::string> names;
  const int result = parts_.files.list(parts_.layout.shares() + "/" + prefix, names);
  if (result < 0 && result != -ENOENT && result != -ENOTDIR) {
    return fail(file_error(result, "shares/" + prefix));
  }
  std::erase_if(names, [&](const std::string& name) {
    return !name.starts_with(prefix) || !storage_index_of_name(name);
  });
  std::sort(names.begin(), names.end());
  auto listing = std::make_shared<const std::vector<std::string>>(std::move(names));
  const std::lock_guard lock(mutex_);
  cached_prefix_ = prefix;
  cached_ = listing;
  return listing;
}

Result<DiskScanner::Position> DiskScanner::parse(const std::string& cursor) {
  Position position;
  if (cursor.empty() || is_prefix_name(cursor)) {
    position.prefix = cursor;
    return position;
  }
  const std::size_t slash = cursor.find('/');
  const auto index = storage_index_of_name(cursor.substr(0, slash));
  const auto number =
      slash == std::string::npos ? std::nullopt : share_number_of_name(cursor.substr(slash + 1));
  if (!index || !number) return fail(Errc::invalid_argument, "not a cursor of the disk backend");
  position.index = index->to_text();
  position.prefix = position.index.substr(0, 2);
  position.number = *number;
  return position;
}

Result<std::vector<StorageIndex>> DiskScanner::next_indexes(const Position& from,
                                                            std::size_t limit) {
  std::vector<StorageIndex> indexes;
  for (const std::string& prefix : prefixes_from(from.prefix)) {
    const bool resumed = prefix == from.prefix && !from.index.empty();
    const auto names = indexes_of(prefix, !resumed);
    if (!names) return fail(names.error());
    auto it = (*names)->begin();
    if (resumed && from.number == kLastNumber) {
      it = std::upper_bound((*names)->begin(), (*names)->end(), from.index);
    } else if (resumed) {
      it = std::lower_bound((*names)->begin(), (*names)->end(), from.index);
    }
    for (; it != (*names)->end(); ++it) {
      if (indexes.size() == limit) return indexes;
      if (const auto index = storage_index_of_name(*it)) indexes.push_back(*index);
    }
  }
  return indexes;
}

DiskScanner::Found DiskScanner::scan_indexes(const std::vector<StorageIndex>& indexes,
                                             std::size_t begin, std::size_t end,
                                             const Position& from, std::size_t most) const {
  std::vector<ScannedShare> found;
  for (std::size_t i = begin; i < end; ++i) {
    const auto numbers = numbers_of(indexes[i]);
    if (!numbers) return fail(numbers.error());
    const bool resumed = i == 0 && indexes[i].to_text() == from.index;
    const std::size_t enough = found.size() + most;
    for (const ShareNumber number : *numbers) {
      if (resumed && number <= from.number) continue;
      if (found.size() == enough) break;
      ScannedShare scanned = scan_share({indexes[i], number});
      if (scanned.info || !scanned.damage.empty()) found.push_back(std::move(scanned));
    }
  }
  return found;
}

Task<std::vector<ScannedShare>> DiskScanner::scan_at_once(std::vector<StorageIndex> indexes,
                                                          Position from, std::size_t most) {
  const std::size_t parts = (indexes.size() + kIndexesPerPart - 1) / kIndexesPerPart;
  std::vector<Found> found(parts);
  const std::shared_ptr<IoPool> threads = scan_threads();
  AsyncEvent all_done;
  std::atomic<std::size_t> next = 0;
  std::atomic<std::size_t> running = std::min(parts, kPartsAtOnce);
  const auto look = [&, this]() -> boost::asio::awaitable<void> {
    for (std::size_t part = next++; part < parts; part = next++) {
      const auto work = [this, &indexes, &from, most, part, parts]() -> Found {
        return scan_indexes(indexes, indexes.size() * part / parts,
                            indexes.size() * (part + 1) / parts, from, most);
      };
      found[part] = co_await threads->run(work);
    }
  };
  const auto executor = co_await boost::asio::this_coro::executor;
  for (std::size_t looking = std::min(parts, kPartsAtOnce); looking > 0; --looking) {
    boost::asio::co_spawn(executor, look(),
                          [&running, &all_done](const std::exception_ptr& failure) {
                            if (--running == 0) all_done.set();
                            if (failure) std::rethrow_exception(failure);
                          });
  }
  co_await all_done.wait();
  std::vector<ScannedShare> all;
  for (Found& part : found) {
    if (!part) co_return fail(std::move(part.error()));
    std::ranges::move(*part, std::back_inserter(all));
  }
  co_return all;
}

std::shared_ptr<IoPool> DiskScanner::scan_threads() {
  const std::lock_guard lock(mutex_);
  if (!scan_threads_) scan_threads_ = std::make_shared<IoPool>(kPartsAtOnce);
  return scan_threads_;
}

void DiskScanner::drop_scan_threads() {
  std::shared_ptr<IoPool> dropped;
  const std::lock_guard lock(mutex_);
  dropped.swap(scan_threads_);
}

Task<ScanPage> DiskScanner::scan(ScanCursor cursor, std::size_t limit) {
  const auto from = parse(cursor.position);
  if (!from) co_return fail(from.error());
  limit = std::clamp<std::size_t>(limit, 1, kMaxPageShares);
  Position position = *from;
  ScanPage page;
  page.next = std::move(cursor);
  // Until the page is full or everything was looked at; directories may be empty.
  while (page.shares.size() < limit && !page.finished) {
    const std::size_t wanted = std::min(limit - page.shares.size(), kMaxIndexesAtOnce);
    auto indexes = co_await parts_.pool.run(
        [this, &position, wanted] { return next_indexes(position, wanted); });
    if (!indexes) co_return fail(indexes.error());
    page.finished = indexes->empty();
    if (page.finished) drop_scan_threads();
    if (page.finished) break;
    const StorageIndex last = indexes->back();
    // An index that has more than there is room for fills the page.
    const std::size_t most = limit - page.shares.size();
    auto found = co_await scan_at_once(std::move(*indexes), position, most);
    if (!found) co_return fail(found.error());
    std::ranges::move(*found, std::back_inserter(page.shares));
    position = {last.prefix(), last.to_text(), kLastNumber};
  }
  if (page.shares.size() > limit) page.shares.resize(limit);
  if (!page.shares.empty()) page.next.position = page.shares.back().share.to_text();
  for (ScannedShare& scanned : page.shares) {
    // A change in place may have been half done when the header was read: look again behind it.
    if (scanned.damage.empty() && !parts_.gate.is_changing(scanned.share)) continue;
    if (Status entered = co_await parts_.gate.enter(scanned.share); !entered) continue;
    const GatePass pass(parts_.gate, scanned.share);
    const ShareId share = scanned.share;
    scanned = co_await parts_.pool.run([this, share] { return scan_share(share); });
  }
  std::erase_if(page.shares, [](const ScannedShare& scanned) {
    return !scanned.info && scanned.damage.empty();
  });
  co_return page;
}

Task<std::vector<ShareInfo>> DiskScanner::list(StorageIndex index) {
  const auto numbers = co_await parts_.pool.run([this, index] { return numbers_of(index); });
  if (!numbers) co_return fail(numbers.error());
  std::vector<ShareInfo> shares;
  for (const ShareNumber number : *numbers) {
    const ShareId share{index, number};
    if (Status entered = co_await parts_.gate.enter(share); !entered) {
      co_return fail(entered.error());
    }
    const GatePass pass(parts_.gate, share);
    const auto open = co_await parts_.pool.run(
        [this, share] { return open_share_file(parts_.files, parts_.layout, share, O_RDONLY); });
    if (open) {
      shares.push_back(to_share_info(number, open->header));
    } else if (open.error().code() != Errc::not_found && open.error().code() != Errc::corrupt) {
      co_return fail(open.error());
    }
  }
  co_return shares;
}

}  // namespace sharestore
