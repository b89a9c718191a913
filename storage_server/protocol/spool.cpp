#include "storage_server/protocol/spool.h"

#include <system_error>
#include <utility>

namespace sharestore {

class SpoolSource final : public ByteSource {
 public:
  SpoolSource(std::shared_ptr<const SpoolFile> file, std::uint64_t offset, std::uint64_t size)
      : file_(std::move(file)), offset_(offset), size_(size) {}

  std::uint64_t size() const override { return size_; }
  Status read(std::uint64_t offset, MutableByteSpan into) const override {
    return file_->file_->read(offset_ + offset, into);
  }

 private:
  std::shared_ptr<const SpoolFile> file_;
  std::uint64_t offset_;
  std::uint64_t size_;
};

Task<std::shared_ptr<SpoolFile>> Spool::create() {
  auto file = co_await pool_.run([directory = directory_] {
    std::error_code ignored;  // what is wrong shows when the file is made
    std::filesystem::create_directories(directory, ignored);
    return TemporaryFile::create(directory);
  });
  if (!file) co_return fail(std::move(file.error()));
  co_return std::make_shared<SpoolFile>(*this, std::move(*file));
}

bool Spool::reserve(std::uint64_t bytes) {
  std::uint64_t held = bytes_.load(std::memory_order_relaxed);
  do {
    if (bytes > max_bytes_ || held > max_bytes_ - bytes) return false;
  } while (!bytes_.compare_exchange_weak(held, held + bytes, std::memory_order_relaxed));
  return true;
}

SpoolFile::~SpoolFile() { spool_.release(size_); }

Task<void> SpoolFile::append(Bytes bytes) {
  if (!spool_.reserve(bytes.size())) {
    co_return fail(Errc::busy, "too many large requests are being received");
  }
  auto job = [file = file_, offset = size_, bytes] { return file->write(offset, bytes.span()); };
  size_ += bytes.size();
  co_return co_await spool_.pool_.run(std::move(job));
}

ByteSourcePtr SpoolFile::source(std::uint64_t offset, std::uint64_t size) {
  return std::make_shared<SpoolSource>(shared_from_this(), offset, size);
}

boost::asio::awaitable<void> SpoolFile::discard() {
  co_await spool_.pool_.run([file = file_, size = size_] {
    file->discard(0, size);
    return true;
  });
}

}  // namespace sharestore
