// What one share's part in a slot commit changes in its mutable container, byte by byte.
//
// Pure functions and values; any thread. Whoever applies a plan (to a file, to bytes in memory, to
// an object's new version) does as it says, in order; applying it twice gives the same bytes.
// Facts: disk-format.md section 4. Bytes between the data's end and the extra leases are never
// shown to anyone: they are zeroed before the data grows over them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "backends/backend.h"
#include "backends/core/byte_source.h"
#include "backends/share_file/layout.h"
#include "backends/share_file/leases.h"

namespace sharestore {

// Bytes that go to one place of a file: from `source`, or zeros where it is null.
struct FileEdit {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  ByteSourcePtr source;
  std::uint64_t source_offset = 0;
};

// A mutable container as far as a plan must know it: all but its data.
struct MutableContainer {
  ShareHeader header;
  MutableLeaseRecords leases;
};

// Reads one. corrupt: damaged. conflict: it is an immutable container.
Result<MutableContainer> load_mutable_container(const ReadAt& read, std::uint64_t file_bytes);

struct SlotPlan {
  // In order; later ones may cover earlier ones. Bytes that no edit names stay as they are; the
  // file is extended with zeros, or cut, to file_bytes first.
  std::vector<FileEdit> edits;
  // The container afterwards; header.file_bytes is its size.
  MutableContainer after;

  // Nothing to be done.
  bool empty() const { return edits.empty(); }
  // Bytes that the edits bring, zeros not counted.
  std::uint64_t payload_bytes() const;
};

// What creates a share. The plan is for an empty file.
// too_large: the data would exceed limits::kMaxMutableShareBytes.
Result<SlotPlan> plan_new_share(const ShareChange& change, std::string_view write_enabler,
                                const NodeId& node_id);

// What changes an existing one. `node_id` is recorded with new leases only. too_large.
Result<SlotPlan> plan_change(const MutableContainer& before, const ShareChange& change,
                             const NodeId& node_id);

// Applies a plan to a whole container in memory; for small shares. io_error: a source failed.
Status apply_in_memory(const SlotPlan& plan, std::vector<std::byte>& file);

}  // namespace sharestore
