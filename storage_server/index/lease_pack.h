// Leases as the index keeps them in one column, and the rule by which leases meet.
//
// Packed: per lease owner u32, renew digest, cancel digest, expiry i64, little-endian; then a
// CRC-32 over those bytes, so that a flipped bit does not end a lease unnoticed. Pure; any thread.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "backends/core/lease.h"

namespace sharestore::index_db {

// Of a share without leases: it never comes up for expiry.
inline constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

std::string pack_leases(const Leases& leases);
// Nothing: damaged.
std::optional<Leases> unpack_leases(std::string_view packed);
// The CRC-32 that packed columns end with.
std::uint32_t check_of(std::string_view bytes);
// How many leases a packed column holds, by its size.
std::uint64_t packed_count(std::string_view packed);

// The latest end, kNever if there are none.
std::int64_t latest_expiry(const Leases& leases);

// The lease with that renew secret, or null. Compared in constant time.
Lease* find_lease(Leases& leases, const Digest& renew_digest);

// Renews (never shortens) the lease of the same renew secret or appends it. True: appended.
bool merge_lease(Leases& leases, const Lease& lease);

// What a share of unknown lease gets: no secret renews it.
Lease starter_lease(std::int64_t expires_at);
bool is_starter(const Lease& lease);

}  // namespace sharestore::index_db
