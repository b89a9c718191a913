// Small named blobs in storage/state/: see Backend::put_state and its siblings.
//
// Blocking; any thread. Changes of one name are serialised by the caller.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "backends/core/bytes.h"
#include "backends/disk/disk_parts.h"

namespace sharestore {

inline constexpr std::uint64_t kMaxStateBytes = std::uint64_t{16} << 20;  // backend.h, put_state

// [a-z0-9.-]+, not beginning with a dot, at most 200 characters (a file name has 255).
bool is_state_name(std::string_view name);

Task<void> put_state_file(DiskParts& parts, std::string name, Bytes content);
Task<Bytes> get_state_file(DiskParts& parts, std::string name);
Task<std::vector<std::string>> list_state_files(DiskParts& parts);
Task<void> remove_state_file(DiskParts& parts, std::string name);

// Removes what interrupted puts left; at start.
Status clean_state_files(DiskParts& parts);

}  // namespace sharestore
