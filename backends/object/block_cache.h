// Blocks of objects in memory: single flight for equal reads, read-ahead for sequential ones.
//
// A client reads a share in pieces of about 128 KiB; without this every piece would pay a round
// trip to the store. Any thread. Fetches run on the cache's own executor, so that a client that
// goes away does not disturb others who wait for the same bytes.
#pragma once

#include <boost/asio/any_io_executor.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "backends/core/async_event.h"
#include "backends/object/container.h"
#include "backends/object/hedged_get.h"

namespace sharestore {

// One version of one object. Shared by the readers of it.
struct CachedObject {
  // Somebody who reads on: where the last read ended, how far ahead fetching goes, and where what
  // was asked for ends.
  struct Stream {
    std::uint64_t next_offset = 0;
    std::uint64_t ahead_bytes = 0;
    std::uint64_t asked_until = 0;
    // Halved each time that what was ahead was dropped unread: others need the memory too.
    std::uint64_t most_ahead_bytes = UINT64_MAX;
    std::uint64_t last_use = 0;
  };

  std::string key;
  std::string etag;
  std::uint64_t size_bytes = 0;
  Freshness freshness = Freshness::any;
  std::mutex mutex;
  // A client reads hash trees between blocks, and several clients read one share.
  std::array<Stream, 4> streams;
  std::uint64_t uses = 0;
};

class BlockCache {
 public:
  static constexpr std::uint64_t kBlockBytes = 256 * 1024;
  // The longest run of blocks asked for in one request, and the farthest read-ahead.
  static constexpr std::uint64_t kMaxFetchBytes = 4ULL << 20;
  static constexpr std::uint64_t kMaxAheadBytes = 32ULL << 20;
  // A read of an object's start of at least so many bytes is of a block, not of a header or a hash
  // tree, and most who read the first block read the others: so much is asked for at once.
  static constexpr std::uint64_t kLeastBlockRead = 32 * 1024;
  static constexpr std::uint64_t kFirstAheadBytes = 1ULL << 20;

  // What it refers to outlives it. Read-ahead takes at most half of `max_bytes` for one reader, and
  // asks for no more than makes half of what is on its way for all.
  BlockCache(HedgedGets& gets, boost::asio::any_io_executor executor, Clock& clock,
             std::uint64_t max_bytes)
      : gets_(gets), executor_(std::move(executor)), clock_(clock), max_bytes_(max_bytes) {}

  // Bytes that are in memory, without waiting; nothing if any of them is not. Counts as reading on:
  // what comes next is asked for.
  std::optional<std::size_t> read_now(const std::shared_ptr<CachedObject>& object,
                                      std::uint64_t offset, MutableByteSpan into);
  // At least one byte from `offset` (which is inside the object), at most `max_bytes`.
  // conflict: the object was replaced since it was opened. not_found.
  Task<Bytes> read(OpContext context, std::shared_ptr<CachedObject> object, std::uint64_t offset,
                   std::size_t max_bytes);
  // Keeps what was read when the object was opened; `bytes` begin at the object's start.
  void keep_start(CachedObject& object, Bytes bytes);

  // Nobody may wait any more; fetches under way are awaited.
  boost::asio::awaitable<void> close() { co_await fetches_.idle()->wait(); }

  std::uint64_t hits() const { return hits_; }
  std::uint64_t misses() const { return misses_; }

 private:
  using BlockId = std::pair<std::string, std::uint64_t>;  // etag and key, block number
  struct Block {
    BlockId id;
    Bytes bytes;
  };
  struct Fetch {
    AsyncEvent done;
    Status status;
  };
  using Order = std::list<Block>;

  static BlockId id_of(const CachedObject& object, std::uint64_t block);
  std::optional<Bytes> find(const BlockId& id);
  // Asks for `first_block` and the missing ones behind it that begin before `end`.
  std::shared_ptr<Fetch> fetch(std::shared_ptr<CachedObject> object, std::uint64_t first_block,
                               std::uint64_t end);
  boost::asio::awaitable<void> run_fetch(std::shared_ptr<CachedObject> object,
                                         std::vector<std::uint64_t> blocks,
                                         std::shared_ptr<Fetch> fetch);
  Status keep(const CachedObject& object, const std::vector<std::uint64_t>& blocks,
              const ObjectBytes& answer);
  // Asks for what a read needs and, where it reads on, for what is ahead. Answers how far.
  std::uint64_t ask_for(const std::shared_ptr<CachedObject>& object, std::uint64_t offset,
                        std::uint64_t bytes);
  // Where fetching for this read should end; at its own end if nothing more is to be asked for.
  std::uint64_t plan(CachedObject& object, std::uint64_t offset, std::uint64_t bytes);
  // Whether a block is here or on its way.
  bool is_known(const BlockId& id);
  std::uint64_t room_ahead();
  void insert(BlockId id, Bytes bytes);

  HedgedGets& gets_;
  const boost::asio::any_io_executor executor_;
  Clock& clock_;
  const std::uint64_t max_bytes_;
  std::mutex mutex_;
  std::uint64_t used_bytes_ = 0;
  std::uint64_t fetching_bytes_ = 0;
  RunningWork fetches_;
  Order order_;  // most recently used first
  std::map<BlockId, Order::iterator> blocks_;
  std::map<BlockId, std::shared_ptr<Fetch>> in_flight_;
  std::atomic<std::uint64_t> hits_ = 0;
  std::atomic<std::uint64_t> misses_ = 0;
};

}  // namespace sharestore
