// An open file over a FileSystem, and reads and writes that do not stop half way.
//
// A File belongs to one owner; its const functions may be called from any thread. The FileSystem
// outlives it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/core/bytes.h"
#include "backends/core/error.h"
#include "backends/disk/file_system.h"
#include "backends/share_file/layout.h"
#include "backends/share_file/slot_plan.h"

namespace sharestore {

// How much is copied or zeroed at a time.
inline constexpr std::size_t kCopyBufferBytes = 256 * 1024;
// Written bytes are sent to the disk behind the writer's back in pieces of this.
inline constexpr std::uint64_t kWriteOutBytes = std::uint64_t{1} << 20;

// `result` is minus an errno. File too large is too_large, a name too long invalid_argument, the
// rest as errno_error().
Error file_error(std::int64_t result, std::string_view what);

class File {
 public:
  File() = default;
  File(FileSystem& files, int fd) : files_(&files), fd_(fd) {}
  ~File() { close(); }
  File(File&& other) noexcept
      : files_(std::exchange(other.files_, nullptr)), fd_(std::exchange(other.fd_, -1)) {}
  File& operator=(File&& other) noexcept;

  // Flags of open(2). `what` begins error sentences ("share xyz/0").
  static Result<File> open(FileSystem& files, const std::string& path, int flags,
                           std::string_view what);

  bool is_open() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  void close();

  // io_error, no_space, too_large.
  Status write(std::uint64_t offset, ByteSpan bytes) const;
  // All of `into`; corrupt if the file ends before.
  Status read(std::uint64_t offset, MutableByteSpan into) const;
  // not_found-free: the file is open. corrupt: not a regular file.
  Result<std::uint64_t> size() const;
  Status truncate(std::uint64_t bytes) const;
  // Zeros in a range that lies within the file, without using space where that can be had.
  Status zero(std::uint64_t offset, std::uint64_t length) const;
  // All data of `from` into this empty file, holes kept, shared where the file system can.
  Status copy_from(const File& from) const;

  ReadAt reader() const;

 private:
  FileSystem* files_ = nullptr;
  int fd_ = -1;
};

// Reads from bytes in memory, which outlive it. corrupt: beyond their end.
ReadAt reader_over(ByteSpan bytes);

// Reads every byte. too_large beyond `max_bytes`.
Result<std::vector<std::byte>> read_whole(const File& file, std::uint64_t max_bytes);

// Does as a plan says; see FileEdit. Full MiBs are sent to the disk as they are written.
Status apply_edits(FileSystem& files, const File& file, const std::vector<FileEdit>& edits,
                   std::uint64_t file_bytes);

// Removes whatever is there, directories with all they hold. A missing path is success.
Status remove_tree(FileSystem& files, const std::string& path);

}  // namespace sharestore
