// Bytes of one share in RAM: sparse, copy-on-write by chunk, so that a snapshot costs a map of
// pointers and a hole costs nothing.
//
// A value. Copies share chunks; a const object may be read from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "backends/core/byte_source.h"
#include "backends/core/bytes.h"
#include "backends/core/error.h"

namespace sharestore {

class ChunkedData {
 public:
  static constexpr std::size_t kChunkBytes = 256 * 1024;

  std::uint64_t size() const { return size_; }
  // Bytes of RAM that the chunks hold.
  std::uint64_t held_bytes() const { return held_bytes_; }

  // Extends with zeros, or cuts.
  void resize(std::uint64_t size);
  // Requires offset + source.size() <= size(). io_error: the source failed; then the content
  // between is undefined and the object is to be thrown away.
  Status write(std::uint64_t offset, const ByteSource& source);
  // Requires offset + into.size() <= size().
  void read(std::uint64_t offset, MutableByteSpan into) const;
  // The same without a copy where the bytes lie in one chunk.
  Bytes read(std::uint64_t offset, std::size_t length) const;

 private:
  using Chunk = std::vector<std::byte>;

  // The chunk as one that nobody else holds, at least `bytes` long.
  Chunk& own(std::uint64_t index, std::size_t bytes);

  std::uint64_t size_ = 0;
  std::uint64_t held_bytes_ = 0;
  // Missing chunks, and the part behind a chunk's end, are zeros.
  std::map<std::uint64_t, std::shared_ptr<Chunk>> chunks_;
};

}  // namespace sharestore
