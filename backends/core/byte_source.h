// Bytes to be written that may lie in memory or in a spool file, so that a request of any size
// costs bounded memory.
//
// Immutable and shared; any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "backends/core/bytes.h"
#include "backends/core/error.h"

namespace sharestore {

class ByteSource {
 public:
  virtual ~ByteSource() = default;

  virtual std::uint64_t size() const = 0;

  // Fills `into` from `offset`; requires offset + into.size() <= size(). May block on a disk: call
  // it on the I/O pool unless in_memory() holds something. io_error if the spool cannot be read.
  virtual Status read(std::uint64_t offset, MutableByteSpan into) const = 0;

  // The whole content where it lies in memory anyway; then read() never blocks.
  virtual std::optional<Bytes> in_memory() const { return std::nullopt; }
};

using ByteSourcePtr = std::shared_ptr<const ByteSource>;

// A source over bytes in memory.
ByteSourcePtr memory_source(Bytes bytes);

// Part of another source. Requires offset + size_bytes <= whole->size().
ByteSourcePtr slice_source(ByteSourcePtr whole, std::uint64_t offset, std::uint64_t size_bytes);

}  // namespace sharestore
