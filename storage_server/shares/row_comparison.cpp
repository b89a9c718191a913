#include "storage_server/shares/row_comparison.h"

#include <fmt/format.h>

#include <algorithm>

#include "backends/share_file/layout.h"

namespace sharestore {

std::string difference_of(const ShareRow& row, const ShareInfo& stored) {
  const ShareInfo& known = row.info;
  if (row.state == ShareState::unread) {
    if (known.stored_bytes == stored.stored_bytes) return {};
    return fmt::format("the store has {} bytes, the index {}", stored.stored_bytes,
                       known.stored_bytes);
  }
  if (known.kind != stored.kind) {
    return fmt::format("the store has a share that is {}, the index one that is {}",
                       to_string(stored.kind), to_string(known.kind));
  }
  if (known.container_version != stored.container_version) {
    return fmt::format("the container's version is {}, in the index {}", stored.container_version,
                       known.container_version);
  }
  if (known.data_bytes != stored.data_bytes) {
    return fmt::format("the share has {} bytes, in the index {}", stored.data_bytes,
                       known.data_bytes);
  }
  if (known.stored_bytes != stored.stored_bytes) {
    return fmt::format("the store has {} bytes, the index {}", stored.stored_bytes,
                       known.stored_bytes);
  }
  if (known.enabler_digest && stored.enabler_digest &&
      *known.enabler_digest != *stored.enabler_digest) {
    return "the write enabler is another one than in the index";
  }
  return {};
}

std::uint64_t unexplained_bytes(const ShareInfo& stored, std::size_t leases) {
  if (stored.kind != ShareKind::immutable) return 0;
  return stored.stored_bytes -
         immutable_file_bytes(stored.data_bytes, static_cast<std::uint32_t>(leases));
}

bool lacks_lease(const Leases& in_file, const Leases& known) {
  return std::ranges::any_of(known, [&in_file](const Lease& lease) {
    return std::ranges::none_of(
        in_file, [&lease](const Lease& there) { return there.renew_digest == lease.renew_digest; });
  });
}

}  // namespace sharestore
