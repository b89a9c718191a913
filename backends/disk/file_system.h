// The system calls that the disk backend lives on, as an interface, so that tests can put a file
// system below it that runs full, fails, or forgets what was not synced.
//
// Threads: any. Every function answers a value >= 0, or minus an errno; nothing is retried, short
// reads and writes are passed on. Paths are absolute; directories end without a slash.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "backends/core/bytes.h"

namespace sharestore {

struct FileStat {
  bool is_file = false;
  bool is_directory = false;
  std::uint64_t bytes = 0;
  std::uint64_t device = 0;
};

struct FileSystemSpace {
  std::uint64_t total_bytes = 0;
  std::uint64_t free_for_root_bytes = 0;
  std::uint64_t free_bytes = 0;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // Flags of open(2); O_CLOEXEC is added. The answer is a descriptor.
  virtual int open(const std::string& path, int flags) = 0;
  virtual void close(int fd) = 0;

  virtual std::int64_t pread(int fd, MutableByteSpan into, std::uint64_t offset) = 0;
  // Only what is in memory: -EAGAIN rather than waiting, -EOPNOTSUPP where that cannot be told.
  virtual std::int64_t pread_now(int fd, MutableByteSpan into, std::uint64_t offset) = 0;
  virtual std::int64_t pwrite(int fd, ByteSpan from, std::uint64_t offset) = 0;
  virtual int truncate(int fd, std::uint64_t bytes) = 0;
  // Makes a range read as zeros without using space; -EOPNOTSUPP.
  virtual int zero_range(int fd, std::uint64_t offset, std::uint64_t length) = 0;
  // Allocates space for a range, so that writing it later cannot run full; -EOPNOTSUPP.
  virtual int reserve(int fd, std::uint64_t offset, std::uint64_t length) = 0;

  // Lets an empty file share all bytes of another until one of them changes; -EOPNOTSUPP, -EXDEV.
  virtual int clone(int from, int to) = 0;
  virtual std::int64_t copy_range(int from, std::uint64_t from_offset, int to,
                                  std::uint64_t to_offset, std::uint64_t length) = 0;
  // Where the next data or hole at or behind `offset` begins; -ENXIO: none.
  virtual std::int64_t next_data(int fd, std::uint64_t offset) = 0;
  virtual std::int64_t next_hole(int fd, std::uint64_t offset) = 0;

  // Durable on return: the data and size of a file.
  virtual int sync_data(int fd) = 0;
  // Durable on return: the entries of a directory.
  virtual int sync_directory(const std::string& path) = 0;
  // Durable on return: everything in the file system that holds `fd`.
  virtual int sync_everything(int fd) = 0;
  // Starts writing a range out, and returns.
  virtual int begin_write_out(int fd, std::uint64_t offset, std::uint64_t length) = 0;
  // Returns when all data of the file has been written out. Not durable by itself: see
  // write_out_orders_names().
  virtual int finish_write_out(int fd) = 0;
  // Whether a name change made after finish_write_out() can become durable only together with the
  // data (xfs, and ext4 with its journal).
  virtual bool write_out_orders_names(int fd) = 0;

  virtual int stat(const std::string& path, FileStat& out) = 0;
  virtual int stat_open(int fd, FileStat& out) = 0;
  virtual int rename(const std::string& from, const std::string& to) = 0;
  virtual int unlink(const std::string& path) = 0;
  virtual int make_directory(const std::string& path) = 0;
  virtual int remove_directory(const std::string& path) = 0;
  // Names without "." and "..", in no order.
  virtual int list(const std::string& path, std::vector<std::string>& names) = 0;
  virtual int space(const std::string& path, FileSystemSpace& out) = 0;
};

// The operating system's.
FileSystem& system_files();

}  // namespace sharestore
