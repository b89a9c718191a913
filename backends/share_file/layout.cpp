#include "backends/share_file/layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "backends/core/limits.h"

namespace sharestore {
namespace {

// "Tahoe mutable container vN\n" and five bytes that a text editor would spoil.
constexpr std::string_view kMagicText = "Tahoe mutable container v";
constexpr std::array<unsigned char, 5> kMagicTail1{0x75, 0x09, 0x44, 0x03, 0x8e};
constexpr std::array<unsigned char, 5> kMagicTail2{0xc3, 0x55, 0x21, 0x99, 0x25};

std::string mutable_magic(int version) {
  const auto& tail = version == 1 ? kMagicTail1 : kMagicTail2;
  std::string magic(kMagicText);
  magic.append(version == 1 ? "1\n" : "2\n");
  for (const unsigned char c : tail) magic.push_back(static_cast<char>(c));
  return magic;
}

std::unexpected<Error> damaged(std::string sentence) {
  return fail(Errc::corrupt, std::move(sentence));
}

Result<ShareHeader> parse_mutable(std::string_view start, std::uint64_t file_bytes, int version) {
  if (file_bytes < kMutableMinBytes) {
    return damaged(fmt::format("truncated: a mutable container has at least {} bytes, this one {}",
                               kMutableMinBytes, file_bytes));
  }
  if (start.size() < kMutableDataOffset) return damaged("truncated: the header is not whole");
  ShareHeader header;
  header.kind = ShareKind::mutable_slot;
  header.version = version;
  header.data_offset = kMutableDataOffset;
  header.data_bytes = get_u64(&start[kMutableLengthOffset]);
  header.file_bytes = file_bytes;
  header.lease_offset = get_u64(&start[kMutableExtraOffsetOffset]);
  header.enabler_digest = blake2b_256(start.substr(kMutableEnablerOffset, kWriteEnablerBytes));
  if (header.lease_offset < kMutableDataOffset) {
    return damaged(
        fmt::format("damaged header: extra leases at {}, inside the header", header.lease_offset));
  }
  if (header.lease_offset > file_bytes - kExtraCountBytes) {
    return damaged(fmt::format("truncated: extra leases at {}, the file has {} bytes",
                               header.lease_offset, file_bytes));
  }
  if (header.data_bytes > header.lease_offset - kMutableDataOffset) {
    return damaged(fmt::format("damaged header: {} bytes of data in a container of {}",
                               header.data_bytes, header.lease_offset - kMutableDataOffset));
  }
  return header;
}

Result<ShareHeader> parse_immutable(std::string_view start, std::uint64_t file_bytes) {
  const std::uint32_t version = get_u32(start.data());
  if (version != 1 && version != 2) {
    return damaged(fmt::format("not a share file of a known kind: it begins with {:08x}", version));
  }
  if (file_bytes < kImmutableHeaderBytes) {
    return damaged(fmt::format("truncated: {} bytes, less than a header", file_bytes));
  }
  ShareHeader header;
  header.version = static_cast<int>(version);
  header.file_bytes = file_bytes;
  header.lease_count = get_u32(&start[8]);
  const std::uint64_t stored = get_u32(&start[4]);
  const std::uint64_t lease_bytes = std::uint64_t{header.lease_count} * kImmutableLeaseBytes;
  if (lease_bytes > file_bytes - kImmutableHeaderBytes) {
    return damaged(
        fmt::format("truncated: {} bytes cannot hold {} leases", file_bytes, header.lease_count));
  }
  const std::uint64_t computed = file_bytes - kImmutableHeaderBytes - lease_bytes;
  header.data_bytes = computed;
  // The stored length is no more than a check: the reference never trusts it, but always writes it.
  if (stored == kSaturatedLength) {
    if (computed < stored) {
      return damaged(
          fmt::format("truncated: at least {} bytes of data expected, {} found", stored, computed));
    }
  } else if (computed < stored) {
    return damaged(fmt::format("truncated: {} bytes of data expected, {} found", stored, computed));
  } else if (computed > stored && computed <= kSaturatedLength) {
    header.data_bytes = stored;
    header.trailing_bytes = computed - stored;
  } else if ((computed & kSaturatedLength) != stored) {
    return damaged(
        fmt::format("damaged header: length {} of a share of {} bytes", stored, computed));
  }
  header.lease_offset = kImmutableHeaderBytes + header.data_bytes;
  return header;
}

}  // namespace

std::uint32_t get_u32(const char* from) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(from[i]);
  return value;
}

std::uint64_t get_u64(const char* from) {
  return std::uint64_t{get_u32(from)} << 32 | get_u32(from + 4);
}

std::string put_u32(std::uint32_t value) {
  std::string out(4, '\0');
  for (std::size_t i = 0; i < 4; ++i) out[i] = static_cast<char>(value >> (24 - 8 * i) & 0xff);
  return out;
}

std::string put_u64(std::uint64_t value) {
  return put_u32(static_cast<std::uint32_t>(value >> 32)) +
         put_u32(static_cast<std::uint32_t>(value & 0xffffffff));
}

Result<ShareHeader> parse_share_header(ByteSpan bytes, std::uint64_t file_bytes) {
  const std::string_view start = as_text(bytes);
  if (file_bytes == 0) return damaged("empty file");
  if (start.size() < std::min<std::uint64_t>(4, file_bytes) || start.size() < 4) {
    return damaged(fmt::format("truncated: {} bytes, less than a header", file_bytes));
  }
  const std::string_view magic = start.substr(0, kMutableMagicBytes);
  for (const int version : {1, 2}) {
    if (magic == mutable_magic(version)) return parse_mutable(start, file_bytes, version);
  }
  if (magic.starts_with(kMagicText)) {
    return damaged("a mutable container of an unknown version, or with a damaged magic");
  }
  if (start.size() < kImmutableHeaderBytes && file_bytes >= kImmutableHeaderBytes) {
    return damaged("truncated: the header is not whole");
  }
  return parse_immutable(start, file_bytes);
}

Status check_extra_leases(const ShareHeader& header, std::uint32_t count) {
  const std::uint64_t room = header.file_bytes - header.lease_offset - kExtraCountBytes;
  if (count > room / kMutableLeaseBytes) {
    return damaged(fmt::format("truncated: {} bytes cannot hold {} extra leases", room, count));
  }
  if (count > kMaxLeasesPerShare) return damaged(fmt::format("{} extra leases", count));
  return {};
}

ShareInfo to_share_info(ShareNumber number, const ShareHeader& header) {
  ShareInfo info;
  info.number = number;
  info.kind = header.kind;
  info.container_version = header.version;
  info.data_bytes = header.data_bytes;
  info.stored_bytes = header.file_bytes;
  if (header.kind == ShareKind::mutable_slot) info.enabler_digest = header.enabler_digest;
  return info;
}

std::string encode_immutable_header(int version, std::uint64_t data_bytes,
                                    std::uint32_t lease_count) {
  const std::uint64_t length = std::min(data_bytes, kSaturatedLength);
  return put_u32(static_cast<std::uint32_t>(version)) +
         put_u32(static_cast<std::uint32_t>(length)) + put_u32(lease_count);
}

std::string encode_mutable_header(int version, const NodeId& node_id,
                                  std::string_view write_enabler, std::uint64_t data_bytes,
                                  std::uint64_t extra_offset) {
  std::string header = mutable_magic(version);
  header.append(reinterpret_cast<const char*>(node_id.data()), node_id.size());
  std::string enabler(write_enabler.substr(0, kWriteEnablerBytes));
  enabler.resize(kWriteEnablerBytes, '\0');
  header.append(enabler).append(put_u64(data_bytes)).append(put_u64(extra_offset));
  header.resize(kMutableDataOffset, '\0');
  return header;
}

Result<ShareHeader> load_share_header(const ReadAt& read, std::uint64_t file_bytes) {
  std::array<std::byte, kShareHeaderBytes> start{};
  const MutableByteSpan head(start.data(), std::min<std::uint64_t>(start.size(), file_bytes));
  if (!head.empty()) {
    if (Status ok = read(0, head); !ok) return fail(ok.error());
  }
  auto header = parse_share_header(head, file_bytes);
  if (!header || header->kind == ShareKind::immutable) return header;
  std::array<std::byte, kExtraCountBytes> count{};
  if (Status ok = read(header->lease_offset, count); !ok) return fail(ok.error());
  if (Status ok = check_extra_leases(*header, get_u32(as_text(ByteSpan(count)).data())); !ok) {
    return fail(ok.error());
  }
  return header;
}

}  // namespace sharestore
