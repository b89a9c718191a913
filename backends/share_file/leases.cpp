#include "backends/share_file/leases.h"

#include <algorithm>
#include <limits>
#include <optional>

namespace sharestore {
namespace {

constexpr std::size_t kSecretBytes = 32;

std::uint32_t expiry_field(std::int64_t expires_at) {
  return static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(expires_at, 0, std::numeric_limits<std::uint32_t>::max()));
}

Digest stored_digest(int version, std::string_view secret) {
  if (version == 1) return blake2b_256(secret);
  Digest digest;
  std::copy(secret.begin(), secret.end(), digest.begin());
  return digest;
}

// What a record of that version holds for the secret; nothing if it is not known.
std::optional<std::string> stored_secret(int version, const Digest& digest, const Secret& secret) {
  if (version != 1) return std::string(as_text(digest));
  if (secret.size() != kSecretBytes) return std::nullopt;
  return std::string(secret.reveal());
}

Lease decode_immutable_record(int version, std::string_view record) {
  return {get_u32(record.data()), stored_digest(version, record.substr(4, kSecretBytes)),
          stored_digest(version, record.substr(36, kSecretBytes)),
          get_u32(&record[kImmutableExpiryOffset])};
}

Lease decode_mutable_record(int version, std::string_view record) {
  return {get_u32(record.data()), stored_digest(version, record.substr(8, kSecretBytes)),
          stored_digest(version, record.substr(40, kSecretBytes)), get_u32(&record[4])};
}

bool same_secret(int version, std::string_view stored, const Digest& wanted) {
  const Digest digest = stored_digest(version, stored);
  return constant_time_equal(as_text(digest), as_text(wanted));
}

// The record of `records` that holds the renew secret; its start.
std::optional<std::size_t> find_record(int version, std::string_view records,
                                       std::size_t record_bytes, std::size_t renew_offset,
                                       const Digest& renew) {
  for (std::size_t at = 0; at + record_bytes <= records.size(); at += record_bytes) {
    const bool empty_slot = record_bytes == kMutableLeaseBytes && get_u32(&records[at]) == 0;
    if (!empty_slot &&
        same_secret(version, records.substr(at + renew_offset, kSecretBytes), renew)) {
      return at;
    }
  }
  return std::nullopt;
}

std::optional<std::string> immutable_record(int version, const LeaseUpdate& update) {
  const auto renew = stored_secret(version, update.lease.renew_digest, update.secrets.renew);
  const auto cancel = stored_secret(version, update.lease.cancel_digest, update.secrets.cancel);
  if (!renew || !cancel) return std::nullopt;
  return put_u32(update.lease.owner) + *renew + *cancel +
         put_u32(expiry_field(update.lease.expires_at));
}

std::optional<std::string> mutable_record(int version, const NodeId& node_id,
                                          const LeaseUpdate& update) {
  const auto renew = stored_secret(version, update.lease.renew_digest, update.secrets.renew);
  const auto cancel = stored_secret(version, update.lease.cancel_digest, update.secrets.cancel);
  if (!renew || !cancel) return std::nullopt;
  std::string record = put_u32(std::max<std::uint32_t>(update.lease.owner, 1));
  record.append(put_u32(expiry_field(update.lease.expires_at))).append(*renew).append(*cancel);
  record.append(reinterpret_cast<const char*>(node_id.data()), node_id.size());
  return record;
}

// Writes the later expiry into four bytes of `records`; true if they changed.
bool extend(std::string& records, std::size_t expiry_at, std::int64_t expires_at) {
  const std::uint32_t wanted = expiry_field(expires_at);
  if (wanted <= get_u32(&records[expiry_at])) return false;
  records.replace(expiry_at, 4, put_u32(wanted));
  return true;
}

}  // namespace

Leases decode_immutable_leases(const ShareHeader& header, std::string_view records) {
  Leases leases;
  for (std::size_t at = 0; at + kImmutableLeaseBytes <= records.size();
       at += kImmutableLeaseBytes) {
    leases.push_back(
        decode_immutable_record(header.version, records.substr(at, kImmutableLeaseBytes)));
  }
  return leases;
}

Leases decode_mutable_leases(const ShareHeader& header, std::string_view slots,
                             std::string_view extra) {
  Leases leases;
  for (const std::string_view records : {slots, extra}) {
    for (std::size_t at = 0; at + kMutableLeaseBytes <= records.size(); at += kMutableLeaseBytes) {
      Lease lease = decode_mutable_record(header.version, records.substr(at, kMutableLeaseBytes));
      if (lease.owner != 0) leases.push_back(lease);
    }
  }
  return leases;
}

Result<Leases> load_leases(const ReadAt& read, const ShareHeader& header) {
  if (header.kind == ShareKind::immutable) {
    if (header.lease_count > kMaxLeasesPerShare) return fail(Errc::corrupt, "too many leases");
    std::string records(header.lease_count * kImmutableLeaseBytes, '\0');
    if (!records.empty()) {
      if (Status ok = read(header.lease_offset, std::as_writable_bytes(std::span(records))); !ok) {
        return fail(ok.error());
      }
    }
    return decode_immutable_leases(header, records);
  }
  std::string slots(kMutableLeaseSlots * kMutableLeaseBytes, '\0');
  if (Status ok = read(kMutableSlotsOffset, std::as_writable_bytes(std::span(slots))); !ok) {
    return fail(ok.error());
  }
  std::string count(kExtraCountBytes, '\0');
  if (Status ok = read(header.lease_offset, std::as_writable_bytes(std::span(count))); !ok) {
    return fail(ok.error());
  }
  if (Status ok = check_extra_leases(header, get_u32(count.data())); !ok) return fail(ok.error());
  std::string extra(get_u32(count.data()) * kMutableLeaseBytes, '\0');
  if (!extra.empty()) {
    if (Status ok =
            read(header.lease_offset + kExtraCountBytes, std::as_writable_bytes(std::span(extra)));
        !ok) {
      return fail(ok.error());
    }
  }
  return decode_mutable_leases(header, slots, extra);
}

std::string encode_immutable_lease(const Lease& lease) {
  return *immutable_record(2, LeaseUpdate{lease, {}});
}

std::string encode_immutable_leases(const Leases& leases) {
  std::string records;
  for (const Lease& lease : leases) records.append(encode_immutable_lease(lease));
  return records;
}

ImmutableLeasePlan plan_immutable_leases(const ShareHeader& header, std::string_view records,
                                         const std::vector<LeaseUpdate>& updates) {
  ImmutableLeasePlan plan;
  std::string stored(records);
  std::string& appended = plan.appended;
  for (const LeaseUpdate& update : updates) {
    const Digest& renew = update.lease.renew_digest;
    if (const auto at = find_record(header.version, stored, kImmutableLeaseBytes, 4, renew)) {
      const std::size_t expiry_at = *at + kImmutableExpiryOffset;
      if (extend(stored, expiry_at, update.lease.expires_at)) {
        plan.renewals.push_back({header.lease_offset + expiry_at, stored.substr(expiry_at, 4)});
      }
    } else if (const auto fresh =
                   find_record(header.version, appended, kImmutableLeaseBytes, 4, renew)) {
      extend(appended, *fresh + kImmutableExpiryOffset, update.lease.expires_at);
    } else if (header.lease_count + appended.size() / kImmutableLeaseBytes < kMaxLeasesPerShare) {
      if (const auto record = immutable_record(header.version, update)) appended.append(*record);
    }
  }
  plan.lease_count =
      header.lease_count + static_cast<std::uint32_t>(appended.size() / kImmutableLeaseBytes);
  return plan;
}

bool merge_mutable_leases(int version, const NodeId& node_id,
                          const std::vector<LeaseUpdate>& updates, MutableLeaseRecords& records) {
  bool changed = false;
  for (const LeaseUpdate& update : updates) {
    bool found = false;
    for (std::string* area : {&records.slots, &records.extra}) {
      const auto at = find_record(version, *area, kMutableLeaseBytes, 8, update.lease.renew_digest);
      if (!at) continue;
      changed |= extend(*area, *at + 4, update.lease.expires_at);
      found = true;
      break;
    }
    const auto record = found ? std::nullopt : mutable_record(version, node_id, update);
    if (!record) continue;
    for (std::string* area : {&records.slots, &records.extra}) {
      for (std::size_t at = 0; !found && at < area->size(); at += kMutableLeaseBytes) {
        if (get_u32(&(*area)[at]) != 0) continue;
        area->replace(at, kMutableLeaseBytes, *record);
        found = true;
      }
    }
    if (!found && records.extra.size() / kMutableLeaseBytes >= kMaxLeasesPerShare) continue;
    if (!found) records.extra.append(*record);
    changed = true;
  }
  return changed;
}

}  // namespace sharestore
