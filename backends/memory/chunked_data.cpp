#include "backends/memory/chunked_data.h"

#include <algorithm>

namespace sharestore {

void ChunkedData::resize(std::uint64_t size) {
  if (size < size_) {
    const std::uint64_t last = size / kChunkBytes;
    const auto rest = static_cast<std::size_t>(size % kChunkBytes);
    for (auto it = chunks_.lower_bound(rest == 0 ? last : last + 1); it != chunks_.end();) {
      held_bytes_ -= it->second->size();
      it = chunks_.erase(it);
    }
    const auto it = chunks_.find(last);
    if (it != chunks_.end() && it->second->size() > rest) {
      held_bytes_ -= it->second->size() - rest;
      it->second = std::make_shared<Chunk>(it->second->begin(),
                                           it->second->begin() + static_cast<std::ptrdiff_t>(rest));
    }
  }
  size_ = size;
}

ChunkedData::Chunk& ChunkedData::own(std::uint64_t index, std::size_t bytes) {
  std::shared_ptr<Chunk>& chunk = chunks_[index];
  if (!chunk) {
    chunk = std::make_shared<Chunk>();
  } else if (chunk.use_count() > 1) {
    chunk = std::make_shared<Chunk>(*chunk);
  }
  if (chunk->size() < bytes) {
    held_bytes_ += bytes - chunk->size();
    chunk->resize(bytes);
  }
  return *chunk;
}

Status ChunkedData::write(std::uint64_t offset, const ByteSource& source) {
  std::uint64_t done = 0;
  while (done < source.size()) {
    const std::uint64_t at = offset + done;
    const auto within = static_cast<std::size_t>(at % kChunkBytes);
    const auto length = static_cast<std::size_t>(
        std::min<std::uint64_t>(kChunkBytes - within, source.size() - done));
    Chunk& chunk = own(at / kChunkBytes, within + length);
    if (Status ok = source.read(done, std::span(chunk).subspan(within, length)); !ok) return ok;
    done += length;
  }
  return {};
}

void ChunkedData::read(std::uint64_t offset, MutableByteSpan into) const {
  while (!into.empty()) {
    const auto within = static_cast<std::size_t>(offset % kChunkBytes);
    const std::size_t length = std::min(kChunkBytes - within, into.size());
    const MutableByteSpan place = into.first(length);
    const auto it = chunks_.find(offset / kChunkBytes);
    const std::size_t held = it == chunks_.end() || it->second->size() <= within
                                 ? 0
                                 : std::min(length, it->second->size() - within);
    if (held > 0)
      std::copy_n(it->second->begin() + static_cast<std::ptrdiff_t>(within), held, place.begin());
    std::fill(place.begin() + static_cast<std::ptrdiff_t>(held), place.end(), std::byte{0});
    offset += length;
    into = into.subspan(length);
  }
}

Bytes ChunkedData::read(std::uint64_t offset, std::size_t length) const {
  const auto within = static_cast<std::size_t>(offset % kChunkBytes);
  const auto it = chunks_.find(offset / kChunkBytes);
  if (it != chunks_.end() && within + length <= it->second->size()) {
    return {it->second, ByteSpan(*it->second).subspan(within, length)};
  }
  std::vector<std::byte> copy(length);
  read(offset, copy);
  return Bytes(std::move(copy));
}

}  // namespace sharestore
