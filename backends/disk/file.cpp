#include "backends/disk/file.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <memory>

namespace sharestore {

Error file_error(std::int64_t result, std::string_view what) {
  const int number = static_cast<int>(-result);
  Error error = errno_error(number, what);
  if (number == EFBIG) return Error(Errc::too_large, error.message());
  if (number == ENAMETOOLONG) return Error(Errc::invalid_argument, error.message());
  return error;
}

File& File::operator=(File&& other) noexcept {
  if (this != &other) {
    close();
    files_ = std::exchange(other.files_, nullptr);
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

Result<File> File::open(FileSystem& files, const std::string& path, int flags,
                        std::string_view what) {
  for (;;) {
    // Non-blocking: a FIFO that somebody put among the shares must not hold a thread.
    const int fd = files.open(path, flags | O_NONBLOCK);
    if (fd == -EINTR) continue;
    if (fd < 0) return fail(file_error(fd, what));
    return File(files, fd);
  }
}

void File::close() {
  if (fd_ >= 0) files_->close(fd_);
  fd_ = -1;
}

Status File::write(std::uint64_t offset, ByteSpan bytes) const {
  while (!bytes.empty()) {
    const std::int64_t wrote = files_->pwrite(fd_, bytes, offset);
    if (wrote == -EINTR) continue;
    if (wrote < 0) return fail(file_error(wrote, "write"));
    if (wrote == 0) return fail(Errc::io_error, "write: nothing was written");
    offset += static_cast<std::uint64_t>(wrote);
    bytes = bytes.subspan(static_cast<std::size_t>(wrote));
  }
  return {};
}

Status File::read(std::uint64_t offset, MutableByteSpan into) const {
  while (!into.empty()) {
    const std::int64_t got = files_->pread(fd_, into, offset);
    if (got == -EINTR) continue;
    if (got < 0) return fail(file_error(got, "read"));
    if (got == 0) {
      return fail(Errc::corrupt,
                  fmt::format("the file ends at {}, {} more bytes expected", offset, into.size()));
    }
    offset += static_cast<std::uint64_t>(got);
    into = into.subspan(static_cast<std::size_t>(got));
  }
  return {};
}

Result<std::uint64_t> File::size() const {
  FileStat info;
  const int result = files_->stat_open(fd_, info);
  if (result < 0) return fail(file_error(result, "stat"));
  if (!info.is_file) return fail(Errc::corrupt, "not a regular file");
  return info.bytes;
}

Status File::truncate(std::uint64_t bytes) const {
  const int result = files_->truncate(fd_, bytes);
  if (result < 0) return fail(file_error(result, "truncate"));
  return {};
}

Status File::zero(std::uint64_t offset, std::uint64_t length) const {
  if (length == 0) return {};
  const int result = files_->zero_range(fd_, offset, length);
  if (result >= 0) return {};
  if (result != -EOPNOTSUPP && result != -ENOSYS) return fail(file_error(result, "zero"));
  const std::vector<std::byte> zeros(std::min<std::uint64_t>(length, kCopyBufferBytes));
  for (std::uint64_t done = 0; done < length;) {
    const auto piece =
        static_cast<std::size_t>(std::min<std::uint64_t>(zeros.size(), length - done));
    if (Status ok = write(offset + done, ByteSpan(zeros).first(piece)); !ok) return ok;
    done += piece;
  }
  return {};
}

namespace {

// Copies one run of data. The kernel's copy where it has one, else through a buffer.
Status copy_run(FileSystem& files, const File& from, const File& to, std::uint64_t offset,
                std::uint64_t end) {
  while (offset < end) {
    const std::int64_t copied = files.copy_range(from.fd(), offset, to.fd(), offset,
                                                 std::min(end - offset, kWriteOutBytes));
    if (copied <= 0) break;
    files.begin_write_out(to.fd(), offset, static_cast<std::uint64_t>(copied));
    offset += static_cast<std::uint64_t>(copied);
  }
  std::vector<std::byte> buffer(std::min<std::uint64_t>(end - offset, kCopyBufferBytes));
  while (offset < end) {
    const auto piece =
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), end - offset));
    if (Status ok = from.read(offset, std::span(buffer).first(piece)); !ok) return ok;
    if (Status ok = to.write(offset, ByteSpan(buffer).first(piece)); !ok) return ok;
    offset += piece;
  }
  return {};
}

}  // namespace

Status File::copy_from(const File& from) const {
  if (files_->clone(from.fd(), fd_) >= 0) return {};
  const auto size = from.size();
  if (!size) return fail(size.error());
  if (Status ok = truncate(*size); !ok) return ok;
  std::uint64_t offset = 0;
  while (offset < *size) {
    const std::int64_t data = files_->next_data(from.fd(), offset);
    if (data == -ENXIO) break;
    // Where holes cannot be asked for, everything is data.
    const std::uint64_t begin = data < 0 ? offset : static_cast<std::uint64_t>(data);
    const std::int64_t hole = data < 0 ? -1 : files_->next_hole(from.fd(), begin);
    const std::uint64_t end = hole < 0 ? *size : std::min(*size, static_cast<std::uint64_t>(hole));
    if (Status ok = copy_run(*files_, from, *this, begin, end); !ok) return ok;
    offset = std::max(end, offset + 1);
  }
  return {};
}

ReadAt File::reader() const {
  return [this](std::uint64_t offset, MutableByteSpan into) { return read(offset, into); };
}

ReadAt reader_over(ByteSpan bytes) {
  return [bytes](std::uint64_t offset, MutableByteSpan into) -> Status {
    if (offset > bytes.size() || into.size() > bytes.size() - offset) {
      return fail(Errc::corrupt, fmt::format("ends at {}, {} bytes at {} expected", bytes.size(),
                                             into.size(), offset));
    }
    std::ranges::copy(bytes.subspan(static_cast<std::size_t>(offset), into.size()), into.begin());
    return {};
  };
}

Result<std::vector<std::byte>> read_whole(const File& file, std::uint64_t max_bytes) {
  const auto size = file.size();
  if (!size) return fail(size.error());
  if (*size > max_bytes) {
    return fail(Errc::too_large, fmt::format("{} bytes, at most {} expected", *size, max_bytes));
  }
  std::vector<std::byte> bytes(*size);
  if (Status ok = file.read(0, bytes); !ok) return fail(ok.error());
  return bytes;
}

namespace {

Status put_source(FileSystem& files, const File& file, const FileEdit& edit) {
  if (const auto bytes = edit.source->in_memory()) {
    const ByteSpan span = bytes->span().subspan(edit.source_offset, edit.length);
    if (Status ok = file.write(edit.offset, span); !ok) return ok;
    if (edit.length >= kWriteOutBytes) files.begin_write_out(file.fd(), edit.offset, edit.length);
    return {};
  }
  std::vector<std::byte> buffer(std::min<std::uint64_t>(edit.length, kWriteOutBytes));
  for (std::uint64_t done = 0; done < edit.length;) {
    const auto piece =
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), edit.length - done));
    const MutableByteSpan span = std::span(buffer).first(piece);
    if (Status ok = edit.source->read(edit.source_offset + done, span); !ok) return ok;
    if (Status ok = file.write(edit.offset + done, span); !ok) return ok;
    if (piece == kWriteOutBytes) files.begin_write_out(file.fd(), edit.offset + done, piece);
    done += piece;
  }
  return {};
}

}  // namespace

Status apply_edits(FileSystem& files, const File& file, const std::vector<FileEdit>& edits,
                   std::uint64_t file_bytes) {
  const auto size_before = file.size();
  if (!size_before) return fail(size_before.error());
  if (*size_before != file_bytes) {
    if (Status ok = file.truncate(file_bytes); !ok) return ok;
  }
  // Behind the old end there are zeros already, unless an earlier edit of this plan put bytes
  // there.
  std::uint64_t touched = std::min(*size_before, file_bytes);
  for (const FileEdit& edit : edits) {
    if (edit.offset >= file_bytes) continue;
    if (edit.source) {
      if (Status ok = put_source(files, file, edit); !ok) return ok;
      touched = std::max(touched, edit.offset + edit.length);
    } else if (edit.offset < touched) {
      const std::uint64_t end = std::min(edit.offset + edit.length, touched);
      if (Status ok = file.zero(edit.offset, end - edit.offset); !ok) return ok;
    }
  }
  return {};
}

Status remove_tree(FileSystem& files, const std::string& path) {
  int result = files.unlink(path);
  if (result == 0 || result == -ENOENT) return {};
  std::vector<std::string> names;
  result = files.list(path, names);
  if (result == -ENOENT) return {};
  if (result < 0) return fail(file_error(result, "list " + path));
  for (const std::string& name : names) {
    if (Status ok = remove_tree(files, fmt::format("{}/{}", path, name)); !ok) return ok;
  }
  result = files.remove_directory(path);
  if (result < 0 && result != -ENOENT) return fail(file_error(result, "remove " + path));
  return {};
}

}  // namespace sharestore
