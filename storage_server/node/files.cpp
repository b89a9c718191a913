#include "storage_server/node/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

namespace sharestore {

namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

std::unexpected<Error> failed(std::string_view what, const std::filesystem::path& file) {
  const int error = errno;
  return fail(errno_error(error, std::string(what) + " " + file.string()));
}

std::filesystem::path parent_of(const std::filesystem::path& file) {
  return file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
}

Status sync_directory(const std::filesystem::path& directory) {
  const Descriptor opened(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (opened.get() < 0 || ::fsync(opened.get()) != 0) return failed("cannot sync", directory);
  return {};
}

Status write_whole(const std::filesystem::path& file, std::string_view content, mode_t mode) {
  const Descriptor opened(
      ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode));
  if (opened.get() < 0) return failed("cannot create", file);
  // The mode is meant as given, whatever the umask and an older file say.
  if (::fchmod(opened.get(), mode) != 0) return failed("cannot set the mode of", file);
  while (!content.empty()) {
    const ssize_t written = ::write(opened.get(), content.data(), content.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return failed("cannot write", file);
    }
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fsync(opened.get()) != 0) return failed("cannot sync", file);
  return {};
}

}  // namespace

Status write_file_durably(const std::filesystem::path& file, std::string_view content,
                          mode_t mode) {
  std::filesystem::path fresh = file;
  fresh += ".new";
  if (auto written = write_whole(fresh, content, mode); !written) {
    ::unlink(fresh.c_str());
    return written;
  }
  if (::rename(fresh.c_str(), file.c_str()) != 0) {
    auto error = failed("cannot replace", file);
    ::unlink(fresh.c_str());
    return error;
  }
  return sync_directory(parent_of(file));
}

Status make_directory(const std::filesystem::path& directory, mode_t mode) {
  if (::mkdir(directory.c_str(), mode) != 0) return failed("cannot make directory", directory);
  if (::chmod(directory.c_str(), mode) != 0) return failed("cannot set the mode of", directory);
  return sync_directory(parent_of(directory));
}

Status remove_file_durably(const std::filesystem::path& file) {
  if (::unlink(file.c_str()) != 0) {
    if (errno == ENOENT) return {};
    return failed("cannot remove", file);
  }
  return sync_directory(parent_of(file));
}

}  // namespace sharestore
