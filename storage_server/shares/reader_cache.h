// Open readers kept at hand, so that a client reading one share in many ranges opens it once; and
// who reads a share at this moment, so that none is removed under a reader.
//
// Any thread. Bounded: the least recently used reader is dropped first; readers in use beside those
// at hand are bounded by the requests in flight.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "backends/backend.h"

namespace sharestore {

class ReaderCache {
 public:
  // A share being opened: it is in use until this goes. The cache outlives it.
  class Opening {
   public:
    Opening(Opening&& other) noexcept
        : cache_(std::exchange(other.cache_, nullptr)),
          share_(other.share_),
          drops_(other.drops_) {}
    Opening& operator=(Opening&&) = delete;
    ~Opening() {
      if (cache_ != nullptr) cache_->end_opening(share_);
    }
    // Keeps the reader at hand, but only if nothing was dropped since: a snapshot taken before a
    // change is never served after it. The share is in use while anyone holds the reader.
    void keep(std::shared_ptr<ShareReader> reader) {
      cache_->insert(share_, std::move(reader), drops_);
    }

   private:
    friend class ReaderCache;
    Opening(ReaderCache* cache, ShareId share, std::uint64_t drops)
        : cache_(cache), share_(share), drops_(drops) {}

    ReaderCache* cache_;
    ShareId share_;
    std::uint64_t drops_;
  };

  // A share being removed: it cannot be opened until this goes. The cache outlives it.
  class Removal {
   public:
    Removal(Removal&& other) noexcept
        : cache_(std::exchange(other.cache_, nullptr)), share_(other.share_) {}
    Removal& operator=(Removal&&) = delete;
    ~Removal() {
      if (cache_ != nullptr) cache_->end_removal(share_);
    }

   private:
    friend class ReaderCache;
    Removal(ReaderCache* cache, ShareId share) : cache_(cache), share_(share) {}

    ReaderCache* cache_;
    ShareId share_;
  };

  explicit ReaderCache(std::size_t max_readers) : max_readers_(max_readers) {}

  std::shared_ptr<ShareReader> find(const ShareId& share);

  // Before a share is opened. Nothing: it is being removed.
  std::optional<Opening> begin_opening(const ShareId& share);
  // Nothing: somebody reads or opens the share. Otherwise it is dropped.
  std::optional<Removal> begin_removal(const ShareId& share);

  // The share changed or went.
  void drop(const ShareId& share);

 private:
  using Order = std::list<std::pair<ShareId, std::shared_ptr<ShareReader>>>;
  struct Use {
    std::size_t opening = 0;
    bool removing = false;
    // Readers that are out and not at hand.
    std::vector<std::weak_ptr<ShareReader>> lent;
  };

  void insert(const ShareId& share, std::shared_ptr<ShareReader> reader, std::uint64_t drops);
  void end_opening(const ShareId& share);
  void end_removal(const ShareId& share);
  void take_out(Order::iterator entry, Order& into);
  void lend(const ShareId& share, const std::shared_ptr<ShareReader>& reader);
  static bool is_idle(const Use& use);

  // Readers that have gone are looked for when so many uses are noted.
  static constexpr std::size_t kPruneAbove = 1024;

  const std::size_t max_readers_;
  mutable std::mutex mutex_;
  std::uint64_t drops_ = 0;
  Order order_;  // most recently used first
  std::unordered_map<ShareId, Order::iterator, ShareIdHash> by_share_;
  std::unordered_map<ShareId, Use, ShareIdHash> uses_;
  std::size_t prune_above_ = kPruneAbove;
};

}  // namespace sharestore
