// Where things lie in a share file, and what its first bytes tell.
//
// Pure functions and values; any thread. Facts: disk-format.md sections 2 to 4. All integers in a
// share file are big-endian.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "backends/backend.h"
#include "backends/core/bytes.h"
#include "backends/core/digest.h"
#include "backends/core/error.h"

namespace sharestore {

// --- Immutable container: header, data, leases at the very end ---------------------------------
inline constexpr std::size_t kImmutableHeaderBytes = 12;
inline constexpr std::size_t kImmutableLeaseBytes = 72;
// Of a lease record: where its expiration lies.
inline constexpr std::size_t kImmutableExpiryOffset = 68;
// The header's length field is saturated at this.
inline constexpr std::uint64_t kSaturatedLength = 0xffffffff;

// --- Mutable container: header with four lease slots, data, extra leases -----------------------
inline constexpr std::size_t kMutableMagicBytes = 32;
inline constexpr std::size_t kNodeIdBytes = 20;
inline constexpr std::size_t kWriteEnablerBytes = 32;
inline constexpr std::size_t kMutableNodeIdOffset = 32;
inline constexpr std::size_t kMutableEnablerOffset = 52;
inline constexpr std::size_t kMutableLengthOffset = 84;
inline constexpr std::size_t kMutableExtraOffsetOffset = 92;
inline constexpr std::size_t kMutableSlotsOffset = 100;
inline constexpr std::size_t kMutableLeaseBytes = 92;
inline constexpr std::size_t kMutableLeaseSlots = 4;
inline constexpr std::size_t kMutableDataOffset = 468;
inline constexpr std::size_t kExtraCountBytes = 4;
// The smallest mutable container: header and the count of no extra leases.
inline constexpr std::size_t kMutableMinBytes = kMutableDataOffset + kExtraCountBytes;

// As many bytes from the start of a file as parse_share_header() wants (fewer if it is shorter).
inline constexpr std::size_t kShareHeaderBytes = kMutableDataOffset;

// More leases than this in one share are a damaged or hostile file: each costs memory when loaded.
inline constexpr std::uint32_t kMaxLeasesPerShare = 65536;

using NodeId = std::array<unsigned char, kNodeIdBytes>;

// What a share file's first bytes and its size tell.
struct ShareHeader {
  ShareKind kind = ShareKind::immutable;
  int version = 2;
  // Where the share's data lies.
  std::uint64_t data_offset = kImmutableHeaderBytes;
  std::uint64_t data_bytes = 0;
  // Size of the whole file.
  std::uint64_t file_bytes = 0;
  // Immutable: the first lease record. Mutable: the count of extra leases, their records behind it.
  std::uint64_t lease_offset = 0;
  // Immutable only: lease records in the file. (A mutable one counts slots and extra leases apart.)
  std::uint32_t lease_count = 0;
  // Immutable only: bytes behind the last counted record, left by an append that was interrupted
  // before it was counted. Not part of data or leases; to be cut off.
  std::uint64_t trailing_bytes = 0;
  // Mutable only.
  Digest enabler_digest{};

  bool operator==(const ShareHeader&) const = default;
};

// `start` holds the first min(kShareHeaderBytes, file_bytes) bytes of the file.
// corrupt, with a sentence that says how: empty, truncated, unknown version, not a share file,
// lengths that cannot be.
// A mutable container's extra leases lie behind its data: check_extra_leases() looks at them.
Result<ShareHeader> parse_share_header(ByteSpan start, std::uint64_t file_bytes);

// `count` is what the four bytes at header.lease_offset of a mutable container hold. corrupt: the
// file does not hold so many.
Status check_extra_leases(const ShareHeader& header, std::uint32_t count);

ShareInfo to_share_info(ShareNumber number, const ShareHeader& header);

// The 12 bytes at the start of an immutable container.
std::string encode_immutable_header(int version, std::uint64_t data_bytes,
                                    std::uint32_t lease_count);
// The size of an immutable container. Requires data_bytes < 2^63.
constexpr std::uint64_t immutable_file_bytes(std::uint64_t data_bytes, std::uint32_t lease_count) {
  return kImmutableHeaderBytes + data_bytes + std::uint64_t{lease_count} * kImmutableLeaseBytes;
}

// The 468 bytes at the start of a mutable container without leases. `write_enabler` has 32 bytes.
std::string encode_mutable_header(int version, const NodeId& node_id,
                                  std::string_view write_enabler, std::uint64_t data_bytes,
                                  std::uint64_t extra_offset);

// Reads `into.size()` bytes at `offset`, all of them, or fails. For files, memory and tests.
using ReadAt = std::function<Status(std::uint64_t offset, MutableByteSpan into)>;

// parse_share_header() and check_extra_leases() with the reads they need.
Result<ShareHeader> load_share_header(const ReadAt& read, std::uint64_t file_bytes);

std::uint32_t get_u32(const char* from);
std::uint64_t get_u64(const char* from);
std::string put_u32(std::uint32_t value);
std::string put_u64(std::uint64_t value);

}  // namespace sharestore
