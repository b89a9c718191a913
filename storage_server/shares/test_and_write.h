// The test-and-write algebra of mutable slots: write enablers, tests, reads before writes, what the
// writes make of each share. Once, for every backend (gbs-protocol.md section 3.9).
//
// Any thread; the caller holds the slot.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "backends/backend.h"
#include "storage_server/shares/share_store.h"
#include "storage_server/shares/slots.h"

namespace sharestore {

// The 32 bytes that are stored for a new slot: NUL-padded or cut.
Secret stored_write_enabler(const Secret& given);

// unauthorized unless every existing mutable share, and every lost one that is written, carries
// exactly this enabler.
Status check_write_enabler(const HeldSlot& slot, const Secret& given, const ReadTestWrite& request);

// How long a share of `data_bytes` becomes. too_large beyond the largest mutable share.
Result<std::uint64_t> length_after(std::uint64_t data_bytes, const TestWriteVectors& vectors);

// What the vectors of a request amount to, given the slot's present shares.
struct WritePlan {
  std::vector<ShareChange> changes;  // what the backend must do; empty: leases only
  std::vector<ShareNumber> leased;   // shares in the vectors that exist afterwards
  std::vector<ShareNumber> removed;
  std::uint64_t growth_bytes = 0;  // more than now, over all shares that grow
};
Result<WritePlan> plan_writes(const HeldSlot& slot, const ReadTestWrite& request);

// Open readers of the present shares of a slot, by number.
using SlotReaders = std::map<ShareNumber, std::shared_ptr<ShareReader>>;
Task<SlotReaders> open_all(OpContext context, Slots& slots, const HeldSlot& slot);

// Whether every test vector matches. A missing share reads as empty.
Task<bool> run_tests(OpContext context, IoPool& pool, const SlotReaders& readers,
                     const ReadTestWrite& request);

// The read vector applied to every share. too_large: the answer would exceed what clients read.
Task<std::map<ShareNumber, std::vector<Bytes>>> run_reads(OpContext context,
                                                          const SlotReaders& readers,
                                                          const std::vector<ReadVector>& reads);

}  // namespace sharestore
