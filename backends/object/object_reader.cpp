#include "backends/object/object_reader.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "backends/object/older_layout.h"
#include "backends/share_file/layout.h"

namespace sharestore {

namespace {

// The objects whose bytes joined are the share file: one, or several of equal size but the last.
using Pieces = std::vector<std::shared_ptr<CachedObject>>;

class ObjectReader final : public ShareReader {
 public:
  ObjectReader(BlockCache& cache, Pieces pieces, ShareInfo info, std::uint64_t data_offset)
      : cache_(cache), pieces_(std::move(pieces)), info_(info), data_offset_(data_offset) {}

  const ShareInfo& info() const override { return info_; }

  std::optional<std::size_t> read_now(std::uint64_t offset, MutableByteSpan into) override {
    const std::size_t wanted = clip(offset, into.size());
    for (std::size_t done = 0; done < wanted;) {
      const Place at = place(offset + done);
      if (at.object == nullptr) return std::nullopt;
      const std::size_t bytes = std::min<std::uint64_t>(wanted - done, at.left());
      if (!cache_.read_now(at.object, at.offset, into.subspan(done, bytes))) return std::nullopt;
      done += bytes;
    }
    return wanted;
  }

  Task<Bytes> read(OpContext context, std::uint64_t offset, std::size_t max_bytes) override {
    const std::size_t wanted = clip(offset, max_bytes);
    if (wanted == 0) co_return Bytes();
    auto first = co_await read_some(context, offset, wanted);
    if (!first || first->size() == wanted) co_return first;
    std::vector<std::byte> whole;
    whole.reserve(wanted);
    whole.insert(whole.end(), first->span().begin(), first->span().end());
    while (whole.size() < wanted) {
      auto more = co_await read_some(context, offset + whole.size(), wanted - whole.size());
      if (!more) co_return fail(std::move(more.error()));
      whole.insert(whole.end(), more->span().begin(), more->span().end());
    }
    co_return Bytes(std::move(whole));
  }

 private:
  struct Place {
    std::shared_ptr<CachedObject> object;
    std::uint64_t offset = 0;
    std::uint64_t left() const { return object->size_bytes - offset; }
  };

  std::size_t clip(std::uint64_t offset, std::size_t bytes) const {
    if (offset >= info_.data_bytes) return 0;
    return std::min<std::uint64_t>(bytes, info_.data_bytes - offset);
  }

  Place place(std::uint64_t data_offset) const {
    const std::uint64_t offset = data_offset_ + data_offset;
    const std::uint64_t each = pieces_.front()->size_bytes;
    const std::size_t piece = offset / each;
    if (piece >= pieces_.size() || offset - piece * each >= pieces_[piece]->size_bytes) return {};
    return {pieces_[piece], offset - piece * each};
  }

  Task<Bytes> read_some(OpContext context, std::uint64_t offset, std::size_t bytes) {
    const Place at = place(offset);
    if (at.object == nullptr) {
      co_return fail(Errc::corrupt, pieces_.front()->key + " is shorter than its header says");
    }
    const std::size_t wanted = std::min<std::uint64_t>(bytes, at.left());
    auto some = co_await cache_.read(context, at.object, at.offset, wanted);
    if (some && some->empty()) {
      co_return fail(Errc::corrupt, at.object->key + " is shorter than its header says");
    }
    co_return some;
  }

  BlockCache& cache_;
  const Pieces pieces_;
  const ShareInfo info_;
  const std::uint64_t data_offset_;
};

std::shared_ptr<CachedObject> cached(const ObjectInfo& info, Freshness freshness) {
  auto object = std::make_shared<CachedObject>();
  object->key = info.key;
  object->etag = info.etag;
  object->size_bytes = info.size_bytes;
  object->freshness = freshness;
  return object;
}

// What an object's first bytes say it is, and the objects behind it that belong to it.
struct Opened {
  ShareHeader header;
  std::vector<ObjectInfo> chunks;
};

Task<Opened> look_into(OpContext context, ObjectContainer& container, ObjectBytes start) {
  const ByteSpan bytes = start.bytes.span();
  const ByteSpan head = bytes.first(std::min(bytes.size(), kShareHeaderBytes));
  Opened opened;
  std::uint64_t total = start.info.size_bytes;
  const bool older = is_older_layout(head);
  if (older) {
    auto chunks = co_await older_chunks(context, container, start.info);
    if (!chunks) co_return fail(std::move(chunks.error()));
    opened.chunks = std::move(*chunks);
    for (const ObjectInfo& chunk : opened.chunks) total += chunk.size_bytes;
  }
  auto header = older ? parse_older_header(head, total) : parse_share_header(head, total);
  if (!header) co_return fail(header.error().with_context(start.info.key));
  opened.header = *header;
  co_return opened;
}

}  // namespace

Task<std::shared_ptr<ShareReader>> open_object_share(OpContext context, ObjectContainer& container,
                                                     HedgedGets& gets, BlockCache& cache,
                                                     std::string key, ShareNumber number) {
  auto start =
      co_await gets.get(context, std::move(key), 0, BlockCache::kBlockBytes, Freshness::newest);
  if (!start) co_return fail(std::move(start.error()));
  auto opened = co_await look_into(context, container, *start);
  if (!opened) co_return fail(std::move(opened.error()));
  // Immutable objects never change: any copy will do.
  const bool may_change = opened->header.kind == ShareKind::mutable_slot;
  const Freshness freshness = may_change ? Freshness::newest : Freshness::any;
  Pieces pieces = {cached(start->info, freshness)};
  for (const ObjectInfo& chunk : opened->chunks) pieces.push_back(cached(chunk, freshness));
  cache.keep_start(*pieces.front(), std::move(start->bytes));
  co_return std::make_shared<ObjectReader>(
      cache, std::move(pieces), to_share_info(number, opened->header), opened->header.data_offset);
}

Task<ShareInfo> read_share_info(OpContext context, ObjectContainer& container, HedgedGets& gets,
                                std::string key, ShareNumber number) {
  auto start = co_await gets.get(context, std::move(key), 0, kShareHeaderBytes, Freshness::newest);
  if (!start) co_return fail(std::move(start.error()));
  auto opened = co_await look_into(context, container, std::move(*start));
  if (!opened) co_return fail(std::move(opened.error()));
  co_return to_share_info(number, opened->header);
}

}  // namespace sharestore
