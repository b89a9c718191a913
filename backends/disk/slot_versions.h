// Slot commits that the redo log takes: new versions of small shares, put together in memory.
//
// Blocking but where is_in_memory(). Any thread; the caller serialises per storage index.
#pragma once

#include <optional>
#include <vector>

#include "backends/backend.h"
#include "backends/disk/disk_parts.h"

namespace sharestore {

// Whether what is asked for leaves every share small, and there.
bool may_be_logged(const SlotCommit& commit);

// Whether everything that the commit builds on is in memory.
bool is_in_memory(DiskParts& parts, const SlotCommit& commit);

struct SlotVersions {
  // Of the shares that change.
  std::vector<NewVersion> versions;
  // All of the commit's shares afterwards, in order of number.
  std::vector<ShareInfo> after;
};

// Nothing: a share is too large for the log. Errors as Backend::commit_slot's.
Result<std::optional<SlotVersions>> prepare_versions(DiskParts& parts, const SlotCommit& commit,
                                                     bool must_exist);

}  // namespace sharestore
