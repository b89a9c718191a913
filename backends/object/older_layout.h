// Shares as the earlier Python node kept them in a bucket: chunks of equal size under `N`, `N.1`,
// `N.2` …, which joined are a version 1 share file with two fields left unset. Read only.
//
// The length field of an immutable header is 0 (the length is what the chunks add up to), and the
// offset of extra leases in a mutable header stays at 468 for ever. No other program writes that,
// so a share in this layout is known by its first bytes, and no other share pays a request to find
// out. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "backends/object/container.h"
#include "backends/share_file/layout.h"

namespace sharestore {

// `start`: the first kShareHeaderBytes of the object, fewer if it is shorter.
bool is_older_layout(ByteSpan start);

// The header of a share in this layout whose chunks have `total_bytes` together. corrupt.
Result<ShareHeader> parse_older_header(ByteSpan start, std::uint64_t total_bytes);

// The chunks behind the first, in order, exactly those of this share number; empty ones at the end
// are left out. corrupt: one is missing, or of another size than the first.
Task<std::vector<ObjectInfo>> older_chunks(OpContext context, ObjectContainer& container,
                                           ObjectInfo first);

}  // namespace sharestore
