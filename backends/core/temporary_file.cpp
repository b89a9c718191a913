#include "backends/core/temporary_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace sharestore {

namespace {

class FileSource final : public ByteSource {
 public:
  FileSource(std::shared_ptr<const TemporaryFile> file, std::uint64_t offset,
             std::uint64_t size_bytes)
      : file_(std::move(file)), offset_(offset), size_bytes_(size_bytes) {}

  std::uint64_t size() const override { return size_bytes_; }
  Status read(std::uint64_t offset, MutableByteSpan into) const override {
    return file_->read(offset_ + offset, into);
  }

 private:
  const std::shared_ptr<const TemporaryFile> file_;
  const std::uint64_t offset_;
  const std::uint64_t size_bytes_;
};

}  // namespace

Result<std::shared_ptr<TemporaryFile>> TemporaryFile::create(
    const std::filesystem::path& directory) {
  int fd = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
    // File systems without nameless files: named for a moment.
    std::string name = (directory / "spool-XXXXXX").string();
    fd = ::mkostemp(name.data(), O_CLOEXEC);
    if (fd >= 0) ::unlink(name.c_str());
  }
  if (fd < 0) return fail(errno_error(errno, "making a temporary file in " + directory.string()));
  return std::shared_ptr<TemporaryFile>(new TemporaryFile(fd));
}

TemporaryFile::~TemporaryFile() { ::close(fd_); }

Status TemporaryFile::write(std::uint64_t offset, ByteSpan bytes) {
  while (!bytes.empty()) {
    const ssize_t done = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return fail(errno_error(errno, "writing to a temporary file"));
    bytes = bytes.subspan(static_cast<std::size_t>(done));
    offset += static_cast<std::uint64_t>(done);
  }
  return {};
}

Status TemporaryFile::read(std::uint64_t offset, MutableByteSpan into) const {
  while (!into.empty()) {
    const ssize_t done = ::pread(fd_, into.data(), into.size(), static_cast<off_t>(offset));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return fail(errno_error(errno, "reading a temporary file"));
    if (done == 0) {
      std::ranges::fill(into, std::byte{0});
      return {};
    }
    into = into.subspan(static_cast<std::size_t>(done));
    offset += static_cast<std::uint64_t>(done);
  }
  return {};
}

void TemporaryFile::discard(std::uint64_t offset, std::uint64_t length) {
  ::fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
              static_cast<off_t>(length));
}

ByteSourcePtr file_source(std::shared_ptr<const TemporaryFile> file, std::uint64_t offset,
                          std::uint64_t size_bytes) {
  return std::make_shared<FileSource>(std::move(file), offset, size_bytes);
}

}  // namespace sharestore
