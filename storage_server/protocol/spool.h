// Where long byte strings of a request body lie until they are applied: unnamed files, so that a
// request of any size costs bounded memory and a crash leaves nothing behind.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>

#include "backends/core/byte_source.h"
#include "backends/core/bytes.h"
#include "backends/core/io_pool.h"
#include "backends/core/task.h"
#include "backends/core/temporary_file.h"

namespace sharestore {

class SpoolFile;

// A directory and how much may lie in it at once. Any thread. It and the pool outlive its files.
class Spool {
 public:
  // The directory is made when it is first needed.
  Spool(std::filesystem::path directory, std::uint64_t max_bytes, IoPool& pool)
      : directory_(std::move(directory)), max_bytes_(max_bytes), pool_(pool) {}

  // forbidden, no_space, io_error.
  Task<std::shared_ptr<SpoolFile>> create();

  std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  friend class SpoolFile;
  bool reserve(std::uint64_t bytes);
  void release(std::uint64_t bytes) { bytes_.fetch_sub(bytes, std::memory_order_relaxed); }

  std::filesystem::path directory_;
  std::uint64_t max_bytes_;
  IoPool& pool_;
  std::atomic<std::uint64_t> bytes_{0};
};

// One request's byte strings, one after the other. Written by one coroutine; its sources may be
// read by any thread, and keep it. The file goes with the last of them.
class SpoolFile : public std::enable_shared_from_this<SpoolFile> {
 public:
  SpoolFile(Spool& spool, std::shared_ptr<TemporaryFile> file)
      : spool_(spool), file_(std::move(file)) {}
  ~SpoolFile();
  SpoolFile(const SpoolFile&) = delete;
  SpoolFile& operator=(const SpoolFile&) = delete;

  std::uint64_t size() const { return size_; }

  // busy: the directory holds as much as it may; no_space, io_error. After an error: unusable.
  Task<void> append(Bytes bytes);

  // Bytes appended before. Reading them blocks on the disk.
  ByteSourcePtr source(std::uint64_t offset, std::uint64_t size);

  // Frees the disk now and on the pool, where closing a long file would hold up a worker. Sources
  // cannot be read afterwards.
  boost::asio::awaitable<void> discard();

 private:
  friend class SpoolSource;
  Spool& spool_;
  std::shared_ptr<TemporaryFile> file_;
  std::uint64_t size_ = 0;
};

}  // namespace sharestore
