// Lease records of share files: reading them, and planning which bytes a renewal or a new lease
// changes.
//
// Pure functions and values; any thread. Facts: disk-format.md sections 2 to 4. Version 1 records
// hold secrets in clear, version 2 records their digests; a record with owner 0 in a mutable
// container is an empty slot.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "backends/core/lease.h"
#include "backends/share_file/layout.h"

namespace sharestore {

// `records` holds header.lease_count records.
Leases decode_immutable_leases(const ShareHeader& header, std::string_view records);
// `slots` holds the four slots of the header, `extra` whole records.
Leases decode_mutable_leases(const ShareHeader& header, std::string_view slots,
                             std::string_view extra);
// Every lease of a share file. corrupt: there are more than kMaxLeasesPerShare.
Result<Leases> load_leases(const ReadAt& read, const ShareHeader& header);

// One record of a version 2 immutable container, 72 bytes.
std::string encode_immutable_lease(const Lease& lease);
// All records that a new version 2 immutable container ends in.
std::string encode_immutable_leases(const Leases& leases);

// What merging leases changes in an immutable container.
struct ImmutableLeasePlan {
  struct Renewal {
    std::uint64_t file_offset = 0;  // of the four bytes of the expiration
    std::string bytes;
  };
  std::vector<Renewal> renewals;
  // Whole records to go behind the last one; then the count.
  std::string appended;
  std::uint32_t lease_count = 0;

  bool empty() const { return renewals.empty() && appended.empty(); }
};

// The record with the same renew secret gets the later expiry, never an earlier one; other leases
// are appended. A version 1 container cannot take a new lease without its secrets: it is left out.
// `records` holds header.lease_count records.
ImmutableLeasePlan plan_immutable_leases(const ShareHeader& header, std::string_view records,
                                         const std::vector<LeaseUpdate>& updates);

// The leases of a mutable container as raw records, to be merged into.
struct MutableLeaseRecords {
  std::string slots;  // kMutableLeaseSlots records
  std::string extra;  // whole records
};

// Merges as above, into the first empty slot, else behind the last extra record. `node_id` is who
// accepted a new lease. True if anything changed.
bool merge_mutable_leases(int version, const NodeId& node_id,
                          const std::vector<LeaseUpdate>& updates, MutableLeaseRecords& records);

}  // namespace sharestore
