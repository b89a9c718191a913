// Renewals that are durable in the lease log and not yet merged into their rows.
//
// One entry says: every share of this storage index that has the lease with this renew secret has
// it until at least this time. Entries only ever extend, so that an entry too many does no harm.
// Memory: 24 bytes an entry in one table of fixed size.
//
// Threads: one writer (the index's writer thread); any reader. A reader that combines entries with
// rows it read itself compares epoch() before and after: an entry goes only after its row has it.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backends/core/lease.h"
#include "backends/core/storage_index.h"

namespace sharestore::index_db {

struct PendingRenewal {
  StorageIndex storage_index;
  // The first four bytes of the renew digest: enough among the leases of one storage index.
  std::uint32_t tag = 0;
  std::uint32_t expires_at = 0;  // unix seconds

  bool operator==(const PendingRenewal&) const = default;
};

// Whether the log can hold a lease that ends then; others are renewed in their rows.
inline bool fits_pending(std::int64_t expires_at) {
  return expires_at >= 0 && expires_at <= std::numeric_limits<std::uint32_t>::max();
}
std::uint32_t tag_of(const Digest& renew_digest);

// The body of a log row: 24 bytes a record, then a CRC-32.
std::string encode_renewals(std::span<const PendingRenewal> renewals);
// Nothing: damaged.
std::optional<std::vector<PendingRenewal>> decode_renewals(std::string_view body);

class PendingLeases {
 public:
  // Room for as many entries as fit `budget_bytes`, at least 1024.
  explicit PendingLeases(std::size_t budget_bytes);

  // --- any thread
  std::uint64_t epoch() const { return epoch_.load(); }
  std::size_t size() const { return size_.load(std::memory_order_relaxed); }
  std::size_t capacity() const { return capacity_; }
  std::optional<std::int64_t> find(const StorageIndex& storage_index, const Digest& renew) const;
  // Extends those of `leases` that have an entry. True if any changed.
  bool apply(const StorageIndex& storage_index, Leases& leases) const;

  // --- the writer thread
  // The later time wins. Beyond capacity only what a log from before holds.
  void add(std::span<const PendingRenewal> renewals);
  // The entries of storage indexes whose first byte lies in [first, last], ascending.
  std::vector<PendingRenewal> starting_with(int first, int last) const;
  // Drops entries that are now in their rows, unless they were extended since.
  void drop(std::span<const PendingRenewal> merged);

 private:
  struct Key {
    std::array<unsigned char, StorageIndex::kBytes> storage_index;
    std::uint32_t tag;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    using is_avalanching = void;
    std::size_t operator()(const Key& key) const {
      std::uint64_t a = 0;
      std::uint64_t b = 0;
      std::memcpy(&a, key.storage_index.data(), sizeof a);
      std::memcpy(&b, key.storage_index.data() + sizeof a, sizeof b);
      std::uint64_t h = a * 0x9e3779b97f4a7c15ULL ^ (b + key.tag) * 0xff51afd7ed558ccdULL;
      h ^= h >> 32;
      return h * 0xc4ceb9fe1a85ec53ULL;
    }
  };

  std::size_t capacity_ = 0;
  std::atomic<std::size_t> size_{0};
  std::atomic<std::uint64_t> epoch_{0};
  mutable std::shared_mutex mutex_;
  boost::unordered_flat_map<Key, std::uint32_t, KeyHash> entries_;
};

}  // namespace sharestore::index_db
