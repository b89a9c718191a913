// Slot commits on disk: several mutable shares changed, created and removed as one.
//
// Where every share is small and none goes, the new versions are logged (slot_versions.h,
// recent_shares.h). Else, how a share is changed:
//   small file, or new   a new version in pending/, renamed over the old one
//   large file           cloned where the file system can (no bytes copied), then as above;
//                        else changed in place under a redo record, while nobody reads it;
//                        else (somebody reads it, or most of it changes) copied, then as above
//   header only, large   one write of the first sector in place, no record: it cannot be torn
// One rename or one removal is atomic by itself. Everything else is first written down as an intent
// in the journal, with all new bytes already durable; start() completes what it finds there.
//
// Threads: any; the caller serialises per storage index.
#pragma once

#include <vector>

#include "backends/backend.h"
#include "backends/disk/disk_parts.h"

namespace sharestore {

// See Backend::commit_slot. With `must_exist` a change of a share that is not there is not_found.
Task<std::vector<ShareInfo>> commit_disk_slot(DiskParts& parts, SlotCommit commit, bool must_exist);

// Repeats `edits` in place on one file under a redo record, for the leases of large immutable
// shares.
Task<void> change_in_place(DiskParts& parts, ShareId share, std::vector<FileEdit> edits,
                           std::uint64_t file_bytes);

// Completes what the journal holds. corrupt: an intent or its record is damaged.
Task<void> complete_disk_intents(DiskParts& parts);

}  // namespace sharestore
