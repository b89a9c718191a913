// The first half of a slot commit: everything that can fail without having changed anything.
//
// Blocking: runs on the I/O pool.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "backends/backend.h"
#include "backends/disk/disk_parts.h"
#include "backends/disk/intent.h"
#include "backends/share_file/slot_plan.h"

namespace sharestore {

// What will be done to one share.
struct PreparedChange {
  enum class Action {
    nothing,
    replace,   // rename `version` over the share
    remove,    // unlink the share
    in_place,  // repeat `edits` on `target`; needs a redo record
    header,    // the same, within the first sector; needs none if it is the only action
  };
  ShareId share;
  Action action = Action::nothing;
  // The share afterwards; absent when it is gone.
  std::optional<ShareInfo> after;
  PendingFile version;
  File target;
  std::vector<FileEdit> edits;
  std::uint64_t file_bytes = 0;
  GateChange gate;
};

// A new share may not join immutable ones: the first sound share of the slot decides. conflict.
Status check_slot_is_mutable(DiskParts& parts, StorageIndex storage_index);

// Changes in order of share number. Errors as Backend::commit_slot's.
Result<std::vector<PreparedChange>> prepare_slot(DiskParts& parts, const SlotCommit& commit,
                                                 bool must_exist);

// The redo record of a change as an action: in the intent itself when it is short, else in a file
// of pending/ that is put into `records`.
Result<IntentAction> prepare_redo(DiskParts& parts, const PreparedChange& change,
                                  std::vector<PendingFile>& records);

}  // namespace sharestore
