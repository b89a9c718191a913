#include "backends/object/older_layout.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "backends/core/storage_index.h"

namespace sharestore {

namespace {

constexpr std::size_t kListPage = 1000;
// 512 GiB in chunks of 512 KiB: more is no share of that program.
constexpr std::size_t kMaxChunks = 1 << 20;
constexpr std::string_view kMutableMagic = "Tahoe mutable container v1\n";

bool is_mutable(std::string_view start) {
  return start.size() >= kMutableSlotsOffset && start.starts_with(kMutableMagic);
}

}  // namespace

bool is_older_layout(ByteSpan bytes) {
  const std::string_view start = as_text(bytes);
  if (is_mutable(start)) {
    return get_u64(&start[kMutableExtraOffsetOffset]) == kMutableDataOffset &&
           get_u64(&start[kMutableLengthOffset]) != 0;
  }
  return start.size() > kImmutableHeaderBytes && get_u32(start.data()) == 1 &&
         get_u32(&start[4]) == 0;
}

Result<ShareHeader> parse_older_header(ByteSpan bytes, std::uint64_t total_bytes) {
  std::string start(as_text(bytes.first(std::min(bytes.size(), kShareHeaderBytes))));
  if (is_mutable(start)) {
    const std::uint64_t extra = kMutableDataOffset + get_u64(&start[kMutableLengthOffset]);
    start.replace(kMutableExtraOffsetOffset, 8, put_u64(extra));
    return parse_share_header(as_byte_span(start), total_bytes);
  }
  auto header = parse_share_header(as_byte_span(start), total_bytes);
  if (!header) return header;
  // What the parser takes for bytes behind an empty share are the share.
  header->data_bytes += std::exchange(header->trailing_bytes, 0);
  header->lease_offset = kImmutableHeaderBytes + header->data_bytes;
  return header;
}

Task<std::vector<ObjectInfo>> older_chunks(OpContext context, ObjectContainer& container,
                                           ObjectInfo first) {
  const std::string prefix = first.key + ".";
  const std::string folder = first.key.substr(0, first.key.rfind('/') + 1);
  std::map<std::uint64_t, ObjectInfo> found;
  std::string after = first.key;
  for (bool more = true; more && found.size() < kMaxChunks;) {
    auto page = co_await container.list(context, folder, after, kListPage);
    if (!page) co_return fail(std::move(page.error()));
    more = page->more && !page->objects.empty();
    for (ObjectInfo& object : page->objects) {
      after = object.key;
      // Keys of this share's chunks lie together, right behind the first.
      if (!object.key.starts_with(prefix)) {
        more = false;
        break;
      }
      const auto number =
          share_number_from_text(std::string_view(object.key).substr(prefix.size()), true);
      if (number && *number > 0 && object.size_bytes > 0) found.emplace(*number, std::move(object));
    }
  }
  std::vector<ObjectInfo> chunks;
  for (auto& [number, chunk] : found) {
    const bool is_next = number == chunks.size() + 1;
    const bool was_whole = chunks.empty() || chunks.back().size_bytes == first.size_bytes;
    if (!is_next || !was_whole || chunk.size_bytes > first.size_bytes) {
      co_return fail(Errc::corrupt, first.key + ": chunk " + std::to_string(chunks.size() + 1) +
                                        " of the older layout is missing or of a wrong size");
    }
    chunks.push_back(std::move(chunk));
  }
  co_return chunks;
}

}  // namespace sharestore
