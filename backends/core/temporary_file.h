// A nameless temporary file for bytes that are too many for memory: requests on their way in,
// shares on their way to a store.
//
// Any thread; reads and writes of disjoint ranges may run at once. All calls may block on a disk:
// they belong on the I/O pool. The space is freed when the last holder goes, also after a crash.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "backends/core/byte_source.h"
#include "backends/core/bytes.h"
#include "backends/core/error.h"

namespace sharestore {

class TemporaryFile {
 public:
  // Makes the file in `directory`, which must exist. no_space, forbidden, io_error.
  static Result<std::shared_ptr<TemporaryFile>> create(const std::filesystem::path& directory);
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  // Writes all of `bytes` at `offset`; holes read as zero. no_space: the file is as it was before
  // or holds part of the bytes.
  Status write(std::uint64_t offset, ByteSpan bytes);
  // Fills `into`; bytes beyond the end read as zero.
  Status read(std::uint64_t offset, MutableByteSpan into) const;
  // Gives the disk space of a range back; it reads as zero afterwards. Best effort.
  void discard(std::uint64_t offset, std::uint64_t length);

 private:
  explicit TemporaryFile(int fd) : fd_(fd) {}
  int fd_;
};

// Part of a temporary file as a source; keeps the file alive.
ByteSourcePtr file_source(std::shared_ptr<const TemporaryFile> file, std::uint64_t offset,
                          std::uint64_t size_bytes);

}  // namespace sharestore
