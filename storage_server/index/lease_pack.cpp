#include "storage_server/index/lease_pack.h"

#include <boost/crc.hpp>
#include <boost/endian/conversion.hpp>

#include <algorithm>
#include <cstring>

namespace sharestore::index_db {

namespace {

constexpr std::size_t kRecordBytes = 4 + kDigestBytes + kDigestBytes + 8;
constexpr std::size_t kCheckBytes = 4;

template <class Integer>
void append(std::string& out, Integer value) {
  boost::endian::native_to_little_inplace(value);
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

template <class Integer>
Integer take(const char*& at) {
  Integer value;
  std::memcpy(&value, at, sizeof value);
  at += sizeof value;
  return boost::endian::little_to_native(value);
}

}  // namespace

std::uint32_t check_of(std::string_view bytes) {
  boost::crc_32_type crc;
  crc.process_bytes(bytes.data(), bytes.size());
  return crc.checksum();
}

std::string pack_leases(const Leases& leases) {
  std::string packed;
  if (leases.empty()) return packed;
  packed.reserve(leases.size() * kRecordBytes + kCheckBytes);
  for (const Lease& lease : leases) {
    append(packed, lease.owner);
    packed.append(as_text(lease.renew_digest));
    packed.append(as_text(lease.cancel_digest));
    append(packed, lease.expires_at);
  }
  append(packed, check_of(packed));
  return packed;
}

std::optional<Leases> unpack_leases(std::string_view packed) {
  if (packed.empty()) return Leases{};
  if (packed.size() % kRecordBytes != kCheckBytes) return std::nullopt;
  const std::string_view records = packed.substr(0, packed.size() - kCheckBytes);
  const char* check = records.data() + records.size();
  if (take<std::uint32_t>(check) != check_of(records)) return std::nullopt;
  Leases leases(records.size() / kRecordBytes);
  const char* at = records.data();
  for (Lease& lease : leases) {
    lease.owner = take<std::uint32_t>(at);
    std::memcpy(lease.renew_digest.data(), at, kDigestBytes);
    at += kDigestBytes;
    std::memcpy(lease.cancel_digest.data(), at, kDigestBytes);
    at += kDigestBytes;
    lease.expires_at = take<std::int64_t>(at);
  }
  return leases;
}

std::uint64_t packed_count(std::string_view packed) { return packed.size() / kRecordBytes; }

std::int64_t latest_expiry(const Leases& leases) {
  if (leases.empty()) return kNever;
  std::int64_t latest = leases.front().expires_at;
  for (const Lease& lease : leases) latest = std::max(latest, lease.expires_at);
  return latest;
}

Lease* find_lease(Leases& leases, const Digest& renew_digest) {
  for (Lease& lease : leases) {
    if (constant_time_equal(as_text(lease.renew_digest), as_text(renew_digest))) return &lease;
  }
  return nullptr;
}

bool merge_lease(Leases& leases, const Lease& lease) {
  if (Lease* known = find_lease(leases, lease.renew_digest)) {
    known->expires_at = std::max(known->expires_at, lease.expires_at);
    return false;
  }
  leases.push_back(lease);
  return true;
}

Lease starter_lease(std::int64_t expires_at) {
  Lease lease;
  lease.expires_at = expires_at;
  return lease;
}

bool is_starter(const Lease& lease) { return lease.renew_digest == Digest{}; }

}  // namespace sharestore::index_db
