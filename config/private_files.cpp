#include "config/private_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "config/text.h"

namespace sharestore {

namespace {

constexpr mode_t kOpenToOthers = 077;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

// Room for one secret that is wiped when it goes.
struct WipedBuffer {
  std::array<char, kMaxPrivateFileBytes + 1> bytes{};
  std::size_t size = 0;
  ~WipedBuffer() { ::explicit_bzero(bytes.data(), bytes.size()); }
};

Status check_mode(const std::filesystem::path& directory, const std::filesystem::path& file,
                  mode_t file_mode) {
  if ((file_mode & kOpenToOthers) == 0) return {};
  struct stat folder{};
  if (::stat(directory.c_str(), &folder) != 0) {
    return fail(errno_error(errno, directory.string()));
  }
  if ((folder.st_mode & kOpenToOthers) == 0) return {};
  return fail(Errc::forbidden,
              fmt::format("{}: this secret is open to others (mode {:04o}, in a folder of mode "
                          "{:04o}); run: chmod 700 '{}' && chmod 600 '{}'",
                          file.string(), file_mode & 07777, folder.st_mode & 07777,
                          directory.string(), file.string()));
}

Status fill(int fd, const std::filesystem::path& file, WipedBuffer& buffer) {
  while (buffer.size < buffer.bytes.size()) {
    const ssize_t got =
        ::read(fd, buffer.bytes.data() + buffer.size, buffer.bytes.size() - buffer.size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(errno_error(errno, file.string()));
    if (got == 0) return {};
    buffer.size += static_cast<std::size_t>(got);
  }
  return fail(Errc::too_large, fmt::format("{}: expected a secret of at most {} bytes",
                                           file.string(), kMaxPrivateFileBytes));
}

}  // namespace

Result<Secret> read_private_file(const std::filesystem::path& private_directory,
                                 std::string_view name, PrivateForm form) {
  const std::filesystem::path file = private_directory / name;
  // O_NONBLOCK: a FIFO in the place of a file must not hang the start.
  const Descriptor descriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (descriptor.get() < 0) return fail(errno_error(errno, file.string()));
  struct stat info{};
  if (::fstat(descriptor.get(), &info) != 0) return fail(errno_error(errno, file.string()));
  if (!S_ISREG(info.st_mode)) {
    return fail(Errc::invalid_argument, file.string() + ": expected a regular file");
  }
  if (auto status = check_mode(private_directory, file, info.st_mode); !status) {
    return fail(status.error());
  }
  WipedBuffer buffer;
  if (auto status = fill(descriptor.get(), file, buffer); !status) return fail(status.error());
  const std::string_view content = trim_end({buffer.bytes.data(), buffer.size});
  if (content.empty()) {
    return fail(Errc::invalid_argument, file.string() + ": the file is empty; expected a secret");
  }
  if (form == PrivateForm::one_line && std::ranges::any_of(content, is_ascii_control)) {
    return fail(Errc::invalid_argument,
                file.string() + ": expected one line of text without control characters");
  }
  return Secret(content);
}

Result<std::optional<Secret>> read_optional_private_file(
    const std::filesystem::path& private_directory, std::string_view name, PrivateForm form) {
  auto secret = read_private_file(private_directory, name, form);
  if (secret) return std::optional<Secret>(std::move(*secret));
  if (secret.error().code() == Errc::not_found) return std::nullopt;
  return fail(secret.error());
}

}  // namespace sharestore
