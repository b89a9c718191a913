#include "backends/core/byte_source.h"

#include <algorithm>
#include <utility>

namespace sharestore {

namespace {

class MemorySource final : public ByteSource {
 public:
  explicit MemorySource(Bytes bytes) : bytes_(std::move(bytes)) {}

  std::uint64_t size() const override { return bytes_.size(); }

  Status read(std::uint64_t offset, MutableByteSpan into) const override {
    const ByteSpan part = bytes_.span().subspan(offset, into.size());
    std::copy(part.begin(), part.end(), into.begin());
    return {};
  }

  std::optional<Bytes> in_memory() const override { return bytes_; }

 private:
  Bytes bytes_;
};

class SliceSource final : public ByteSource {
 public:
  SliceSource(ByteSourcePtr whole, std::uint64_t offset, std::uint64_t size_bytes)
      : whole_(std::move(whole)), offset_(offset), size_bytes_(size_bytes) {}

  std::uint64_t size() const override { return size_bytes_; }

  Status read(std::uint64_t offset, MutableByteSpan into) const override {
    return whole_->read(offset_ + offset, into);
  }

  std::optional<Bytes> in_memory() const override {
    auto bytes = whole_->in_memory();
    if (!bytes) return std::nullopt;
    return bytes->slice(offset_, size_bytes_);
  }

 private:
  ByteSourcePtr whole_;
  std::uint64_t offset_;
  std::uint64_t size_bytes_;
};

}  // namespace

ByteSourcePtr slice_source(ByteSourcePtr whole, std::uint64_t offset, std::uint64_t size_bytes) {
  return std::make_shared<SliceSource>(std::move(whole), offset, size_bytes);
}

ByteSourcePtr memory_source(Bytes bytes) {
  return std::make_shared<MemorySource>(std::move(bytes));
}

}  // namespace sharestore
