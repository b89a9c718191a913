// Share files as another program left them, without a store.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "backends/share_file/layout.h"
#include "backends/share_file/leases.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_data.h"

namespace sharestore {

// Where a share lies below a storage directory.
inline std::filesystem::path share_file_path(const std::filesystem::path& storage, ShareId share) {
  return storage / "shares" / share.storage_index.prefix() / share.storage_index.to_text() /
         std::to_string(share.number);
}

// A version 2 immutable share file with one lease.
inline void write_share_file(const std::filesystem::path& storage, ShareId share,
                             std::string_view data, std::int64_t expires_at) {
  const Lease lease = letter_lease('r', 'c', expires_at, 0).lease;
  write_file(share_file_path(storage, share), encode_immutable_header(2, data.size(), 1) +
                                                  std::string(data) +
                                                  encode_immutable_lease(lease));
}

}  // namespace sharestore
