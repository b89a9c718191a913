#include "backends/object/block_cache.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include <algorithm>
#include <cstring>
#include <utility>

#include "backends/core/limits.h"
#include "backends/object/timed_wait.h"

namespace sharestore {

BlockCache::BlockId BlockCache::id_of(const CachedObject& object, std::uint64_t block) {
  return {object.etag + " " + object.key, block};
}

std::optional<Bytes> BlockCache::find(const BlockId& id) {
  const std::lock_guard hold(mutex_);
  const auto found = blocks_.find(id);
  if (found == blocks_.end()) return std::nullopt;
  order_.splice(order_.begin(), order_, found->second);
  return found->second->bytes;
}

void BlockCache::insert(BlockId id, Bytes bytes) {
  // Requires mutex_.
  if (blocks_.contains(id) || bytes.size() > max_bytes_) return;
  used_bytes_ += bytes.size();
  order_.push_front({id, std::move(bytes)});
  blocks_.emplace(std::move(id), order_.begin());
  while (used_bytes_ > max_bytes_) {
    used_bytes_ -= order_.back().bytes.size();
    blocks_.erase(order_.back().id);
    order_.pop_back();
  }
}

void BlockCache::keep_start(CachedObject& object, Bytes bytes) {
  const std::lock_guard hold(mutex_);
  for (std::uint64_t at = 0; at < bytes.size(); at += kBlockBytes) {
    const std::uint64_t end = std::min<std::uint64_t>(at + kBlockBytes, object.size_bytes);
    if (end > bytes.size()) break;
    insert(id_of(object, at / kBlockBytes), bytes.slice(at, end - at));
  }
}

std::optional<std::size_t> BlockCache::read_now(const std::shared_ptr<CachedObject>& object,
                                                std::uint64_t offset, MutableByteSpan into) {
  if (offset >= object->size_bytes) return 0;
  const std::size_t wanted = std::min<std::uint64_t>(into.size(), object->size_bytes - offset);
  std::size_t done = 0;
  while (done < wanted) {
    const std::uint64_t block = (offset + done) / kBlockBytes;
    const auto bytes = find(id_of(*object, block));
    if (!bytes) return std::nullopt;
    const std::size_t from = offset + done - block * kBlockBytes;
    const std::size_t piece = std::min(wanted - done, bytes->size() - from);
    std::memcpy(into.data() + done, bytes->data() + from, piece);
    done += piece;
  }
  ++hits_;
  ask_for(object, offset, wanted);
  return wanted;
}

std::uint64_t BlockCache::ask_for(const std::shared_ptr<CachedObject>& object, std::uint64_t offset,
                                  std::uint64_t bytes) {
  const std::uint64_t end = plan(*object, offset, bytes);
  for (std::uint64_t at = offset / kBlockBytes; at * kBlockBytes < end; ++at) {
    fetch(object, at, end);
  }
  return end;
}

Task<Bytes> BlockCache::read(OpContext context, std::shared_ptr<CachedObject> object,
                             std::uint64_t offset, std::size_t max_bytes) {
  const std::uint64_t block = offset / kBlockBytes;
  const BlockId id = id_of(*object, block);
  const std::uint64_t end = ask_for(object, offset, max_bytes);
  // A block can be dropped between its arrival and our look when memory is tight: try again.
  for (int attempt = 0; attempt < 3; ++attempt) {
    if (auto bytes = find(id)) {
      const std::size_t from = offset - block * kBlockBytes;
      const std::size_t piece = std::min<std::size_t>(max_bytes, bytes->size() - from);
      co_return bytes->slice(from, piece);
    }
    if (context.expired()) co_return fail(Errc::timed_out, "reading " + object->key);
    ++misses_;
    const auto flight = fetch(object, block, end);
    const std::shared_ptr<AsyncEvent> done(flight, &flight->done);
    if (!co_await wait_until(executor_, clock_, done, context.deadline())) continue;
    if (!flight->status) co_return fail(flight->status.error());
  }
  auto direct = co_await gets_.get(context, object->key, offset,
                                   std::min<std::uint64_t>(max_bytes, object->size_bytes - offset),
                                   object->freshness);
  if (!direct) co_return fail(std::move(direct.error()));
  if (direct->info.etag != object->etag) {
    co_return fail(Errc::conflict, object->key + " was replaced while it was read");
  }
  co_return std::move(direct->bytes);
}

bool BlockCache::is_known(const BlockId& id) {
  const std::lock_guard hold(mutex_);
  return blocks_.contains(id) || in_flight_.contains(id);
}

std::uint64_t BlockCache::room_ahead() {
  const std::lock_guard hold(mutex_);
  return max_bytes_ / 2 - std::min(max_bytes_ / 2, fetching_bytes_);
}

// A read that begins where one ended before goes on with that stream, and fetching goes four times
// as far ahead as for the read before. What is ahead is topped up as soon as that makes a request
// of the largest size: later, and a reader comes to its end before the answer. A stream whose
// blocks were dropped before it came to them begins anew and goes half as far: what fits is less
// than it asked for.
std::uint64_t BlockCache::plan(CachedObject& object, std::uint64_t offset, std::uint64_t bytes) {
  const std::uint64_t end = std::min(offset + bytes, object.size_bytes);
  const std::uint64_t most = std::max(std::min(kMaxAheadBytes, max_bytes_ / 2), kBlockBytes);
  const std::uint64_t room = room_ahead();
  const bool is_known = this->is_known(id_of(object, offset / kBlockBytes));
  const std::lock_guard hold(object.mutex);
  auto stream = std::ranges::find(object.streams, offset, &CachedObject::Stream::next_offset);
  if (stream == object.streams.end() || offset == 0) {
    stream = std::ranges::min_element(object.streams, {}, &CachedObject::Stream::last_use);
    *stream = {};
    stream->asked_until = end;
  } else if (offset < stream->asked_until && !is_known) {
    stream->asked_until = offset;
    stream->most_ahead_bytes = std::max(std::min(stream->most_ahead_bytes, most) / 2, kBlockBytes);
    stream->ahead_bytes = kBlockBytes;
  } else {
    stream->ahead_bytes = std::max(stream->ahead_bytes * 4, kBlockBytes);
  }
  const bool is_first_block = offset < kBlockBytes && bytes >= kLeastBlockRead;
  if (is_first_block) stream->ahead_bytes = std::max(stream->ahead_bytes, kFirstAheadBytes);
  stream->ahead_bytes = std::min({stream->ahead_bytes, stream->most_ahead_bytes, most});
  stream->next_offset = end;
  stream->last_use = ++object.uses;
  const std::uint64_t least = std::min(stream->ahead_bytes, kMaxFetchBytes);
  const std::uint64_t ahead_end = std::min(
      {end + stream->ahead_bytes, std::max(stream->asked_until, end) + room, object.size_bytes});
  const bool is_last = ahead_end == object.size_bytes && ahead_end > stream->asked_until;
  if (room < least || (ahead_end < stream->asked_until + least && !is_last)) return end;
  stream->asked_until = std::max(stream->asked_until, ahead_end);
  return stream->asked_until;
}

std::shared_ptr<BlockCache::Fetch> BlockCache::fetch(std::shared_ptr<CachedObject> object,
                                                     std::uint64_t first_block, std::uint64_t end) {
  end = std::max(end, first_block * kBlockBytes + 1);
  end = std::min({end, object->size_bytes, first_block * kBlockBytes + kMaxFetchBytes});
  auto flight = std::make_shared<Fetch>();
  std::vector<std::uint64_t> blocks;
  {
    const std::lock_guard hold(mutex_);
    const auto known = in_flight_.find(id_of(*object, first_block));
    if (known != in_flight_.end()) return known->second;
    for (std::uint64_t block = first_block; block * kBlockBytes < end; ++block) {
      const BlockId id = id_of(*object, block);
      if (blocks_.contains(id) || in_flight_.contains(id)) break;
      in_flight_.emplace(id, flight);
      blocks.push_back(block);
    }
    if (blocks.empty()) {
      flight->done.set();  // it arrived meanwhile
      return flight;
    }
    fetches_.begin();
    fetching_bytes_ += blocks.size() * kBlockBytes;
  }
  boost::asio::co_spawn(executor_, run_fetch(std::move(object), std::move(blocks), flight),
                        boost::asio::detached);
  return flight;
}

boost::asio::awaitable<void> BlockCache::run_fetch(std::shared_ptr<CachedObject> object,
                                                   std::vector<std::uint64_t> blocks,
                                                   std::shared_ptr<Fetch> fetch) {
  const std::uint64_t begin = blocks.front() * kBlockBytes;
  const std::uint64_t end = std::min((blocks.back() + 1) * kBlockBytes, object->size_bytes);
  const OpContext context(clock_, clock_.now() + limits::kRequestBudget);
  auto answer = co_await gets_.get(context, object->key, begin, end - begin, object->freshness);
  fetch->status = answer ? keep(*object, blocks, *answer) : Status(fail(answer.error()));
  {
    const std::lock_guard hold(mutex_);
    for (const std::uint64_t block : blocks) in_flight_.erase(id_of(*object, block));
    fetching_bytes_ -= blocks.size() * kBlockBytes;
  }
  fetch->done.set();
  fetches_.end();
}

Status BlockCache::keep(const CachedObject& object, const std::vector<std::uint64_t>& blocks,
                        const ObjectBytes& answer) {
  if (answer.info.etag != object.etag) {
    return fail(Errc::conflict, object.key + " was replaced while it was read");
  }
  const std::uint64_t begin = blocks.front() * kBlockBytes;
  const std::lock_guard hold(mutex_);
  for (const std::uint64_t block : blocks) {
    const std::uint64_t from = block * kBlockBytes - begin;
    const std::uint64_t size = std::min(kBlockBytes, object.size_bytes - block * kBlockBytes);
    if (from + size > answer.bytes.size()) {
      return fail(Errc::corrupt, object.key + ": the store sent fewer bytes than it has");
    }
    // Copied, so that one block does not keep a whole answer in memory.
    insert(id_of(object, block), Bytes::copy_of(answer.bytes.span().subspan(from, size)));
  }
  return {};
}

}  // namespace sharestore
