#include "storage_server/http/buffer_pool.h"

#include <sys/mman.h>

#include <cstring>
#include <new>
#include <utility>

namespace sharestore::http {

// Mapped, not allocated: the pages go back to the system when the buffer does.
Buffer::Buffer(std::size_t capacity, bool large, MemoryBudget::Ticket ticket)
    : capacity_(capacity), large_(large), ticket_(std::move(ticket)) {
  void* memory =
      mmap(nullptr, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  memory_ = static_cast<std::byte*>(memory);
}

Buffer::~Buffer() { munmap(memory_, capacity_); }

void Buffer::append(ByteSpan bytes) {
  std::memcpy(memory_ + end_, bytes.data(), bytes.size());
  end_ += bytes.size();
}

void Buffer::consume(std::size_t bytes) {
  begin_ += bytes;
  if (begin_ == end_) clear();
}

std::unique_ptr<Buffer> BufferPool::get() {
  if (!kept_.empty()) {
    auto buffer = std::move(kept_.back());
    kept_.pop_back();
    return buffer;
  }
  if (auto ticket = budget_.try_acquire(kLargeBytes)) {
    return std::make_unique<Buffer>(kLargeBytes, true, std::move(*ticket));
  }
  return std::make_unique<Buffer>(kSmallBytes, false, budget_.charge(kSmallBytes));
}

void BufferPool::put(std::unique_ptr<Buffer> buffer) {
  if (!buffer || !buffer->large_ || kept_.size() == kKept) return;
  buffer->clear();
  kept_.push_back(std::move(buffer));
}

}  // namespace sharestore::http
