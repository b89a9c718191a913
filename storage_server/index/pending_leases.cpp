#include "storage_server/index/pending_leases.h"

#include <boost/endian/conversion.hpp>

#include <algorithm>
#include <mutex>

#include "storage_server/index/lease_pack.h"

namespace sharestore::index_db {

namespace {

constexpr std::size_t kRecordBytes = StorageIndex::kBytes + 4 + 4;
constexpr std::size_t kCheckBytes = 4;
constexpr std::size_t kMinEntries = 1024;

void append_u32(std::string& out, std::uint32_t value) {
  boost::endian::native_to_little_inplace(value);
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

std::uint32_t u32_at(const char* at) {
  std::uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return boost::endian::little_to_native(value);
}

}  // namespace

std::uint32_t tag_of(const Digest& renew_digest) {
  std::uint32_t tag;
  std::memcpy(&tag, renew_digest.data(), sizeof tag);
  return boost::endian::little_to_native(tag);
}

std::string encode_renewals(std::span<const PendingRenewal> renewals) {
  std::string body;
  body.reserve(renewals.size() * kRecordBytes + kCheckBytes);
  for (const PendingRenewal& renewal : renewals) {
    body.append(renewal.storage_index.byte_view());
    append_u32(body, renewal.tag);
    append_u32(body, renewal.expires_at);
  }
  append_u32(body, check_of(body));
  return body;
}

std::optional<std::vector<PendingRenewal>> decode_renewals(std::string_view body) {
  if (body.size() % kRecordBytes != kCheckBytes) return std::nullopt;
  const std::string_view records = body.substr(0, body.size() - kCheckBytes);
  if (u32_at(records.data() + records.size()) != check_of(records)) return std::nullopt;
  std::vector<PendingRenewal> renewals(records.size() / kRecordBytes);
  const char* at = records.data();
  for (PendingRenewal& renewal : renewals) {
    renewal.storage_index = *StorageIndex::from_bytes({at, StorageIndex::kBytes});
    renewal.tag = u32_at(at + StorageIndex::kBytes);
    renewal.expires_at = u32_at(at + StorageIndex::kBytes + 4);
    at += kRecordBytes;
  }
  return renewals;
}

PendingLeases::PendingLeases(std::size_t budget_bytes) {
  // The table takes its memory in powers of two of groups of 15 entries and 16 bytes of its own,
  // and is filled to 7/8: the largest such table within the budget, made once.
  constexpr std::size_t kGroupBytes = 15 * (sizeof(Key) + sizeof(std::uint32_t)) + 16;
  std::size_t groups = 1;
  while (groups * 2 * kGroupBytes <= budget_bytes) groups *= 2;
  capacity_ = std::max(groups * 15 * 7 / 8, kMinEntries);
  entries_.reserve(capacity_);
}

std::optional<std::int64_t> PendingLeases::find(const StorageIndex& storage_index,
                                                const Digest& renew) const {
  std::shared_lock lock(mutex_);
  const auto found = entries_.find(Key{storage_index.bytes(), tag_of(renew)});
  if (found == entries_.end()) return std::nullopt;
  return found->second;
}

bool PendingLeases::apply(const StorageIndex& storage_index, Leases& leases) const {
  if (size() == 0) return false;
  bool changed = false;
  std::shared_lock lock(mutex_);
  for (Lease& lease : leases) {
    const auto found = entries_.find(Key{storage_index.bytes(), tag_of(lease.renew_digest)});
    if (found == entries_.end() || found->second <= lease.expires_at) continue;
    lease.expires_at = found->second;
    changed = true;
  }
  return changed;
}

void PendingLeases::add(std::span<const PendingRenewal> renewals) {
  std::unique_lock lock(mutex_);
  for (const PendingRenewal& renewal : renewals) {
    auto& expires_at = entries_[Key{renewal.storage_index.bytes(), renewal.tag}];
    expires_at = std::max(expires_at, renewal.expires_at);
  }
  size_.store(entries_.size(), std::memory_order_relaxed);
}

std::vector<PendingRenewal> PendingLeases::starting_with(int first, int last) const {
  std::vector<PendingRenewal> found;
  for (const auto& [key, expires_at] : entries_) {
    if (key.storage_index[0] < first || key.storage_index[0] > last) continue;
    found.push_back({StorageIndex(key.storage_index), key.tag, expires_at});
  }
  std::sort(found.begin(), found.end(), [](const PendingRenewal& a, const PendingRenewal& b) {
    return a.storage_index < b.storage_index;
  });
  return found;
}

void PendingLeases::drop(std::span<const PendingRenewal> merged) {
  epoch_.fetch_add(1);
  std::unique_lock lock(mutex_);
  for (const PendingRenewal& renewal : merged) {
    const auto found = entries_.find(Key{renewal.storage_index.bytes(), renewal.tag});
    if (found != entries_.end() && found->second == renewal.expires_at) entries_.erase(found);
  }
  size_.store(entries_.size(), std::memory_order_relaxed);
}

}  // namespace sharestore::index_db
