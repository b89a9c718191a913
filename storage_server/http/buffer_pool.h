// Send buffers, owned by a worker and lent to a connection only while bytes are on their way.
//
// One pool per worker, used on its thread only. Buffers in use and the few kept for the next
// borrower are charged to the memory budget; when that is spent, small buffers are lent instead, so
// that answers go on in smaller pieces and nothing waits for memory while it holds memory.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "backends/core/bytes.h"
#include "backends/core/memory_budget.h"
#include "storage_server/http/limits.h"

namespace sharestore::http {

// Most plaintext of a TLS record, and most that sealing adds to it (RFC 8446 section 5.2).
inline constexpr std::size_t kPlainBytes = 16384;
inline constexpr std::size_t kRecordOverheadBytes = 5 + 256;
inline constexpr std::size_t kRecordBytes = kPlainBytes + kRecordOverheadBytes;

// Bytes between `begin` and `end` wait to be sent.
class Buffer {
 public:
  Buffer(std::size_t capacity, bool large, MemoryBudget::Ticket ticket);
  ~Buffer();
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  const std::byte* data() const { return memory_ + begin_; }
  std::size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }
  std::size_t room() const { return capacity_ - end_; }
  // Whether one more full record fits and the piece is not yet worth a send.
  bool takes_record() const { return room() >= kRecordBytes + kReserveBytes; }

  // Requires bytes.size() <= room().
  void append(ByteSpan bytes);
  void consume(std::size_t bytes);
  void clear() { begin_ = end_ = 0; }

 private:
  friend class BufferPool;
  // Room that takes_record() leaves for alerts, tickets and key updates.
  static constexpr std::size_t kReserveBytes = 4096;

  std::byte* memory_;
  std::size_t capacity_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool large_;
  MemoryBudget::Ticket ticket_;
};

class BufferPool {
 public:
  // Large buffers kept for the next borrower. What they hold stays in the processor's caches.
  static constexpr std::size_t kKept = 4;
  static constexpr std::size_t kLargeBytes = kSendBytes + kRecordBytes;
  static constexpr std::size_t kSmallBytes = 3 * kRecordBytes;

  explicit BufferPool(MemoryBudget& budget) : budget_(budget) {}

  // An empty buffer; never fails. Without memory in the budget a small one, charged above the
  // limit: bounded by the number of connections.
  std::unique_ptr<Buffer> get();
  void put(std::unique_ptr<Buffer> buffer);
  // Gives the kept ones back to the system.
  void trim() { kept_.clear(); }

 private:
  MemoryBudget& budget_;
  std::vector<std::unique_ptr<Buffer>> kept_;  // last in, first out
};

}  // namespace sharestore::http
