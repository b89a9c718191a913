#include "backends/disk/file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif

namespace sharestore {
namespace {

constexpr unsigned kFileMode = 0666;       // less the umask, as the Python node does
constexpr unsigned kDirectoryMode = 0777;  // likewise

// Of an ext4: it can be made without one, and its number is that of ext2 too. False where the
// system does not tell.
bool has_journal(int fd) {
  struct stat info{};
  if (::fstat(fd, &info) != 0) return false;
  std::error_code error;
  const auto device = std::filesystem::read_symlink(
      fmt::format("/sys/dev/block/{}:{}", ::major(info.st_dev), ::minor(info.st_dev)), error);
  if (error) return false;
  std::ifstream file("/sys/fs/ext4/" + device.filename().string() + "/journal_task");
  std::string task;  // a process number, or "<none>"
  return std::getline(file, task) && !task.empty() && task.front() != '<';
}

template <class T>
T checked(T result) {
  return result < 0 ? static_cast<T>(-errno) : result;
}

class SystemFiles final : public FileSystem {
 public:
  int open(const std::string& path, int flags) override {
    return checked(::open(path.c_str(), flags | O_CLOEXEC, kFileMode));
  }
  void close(int fd) override { ::close(fd); }

  std::int64_t pread(int fd, MutableByteSpan into, std::uint64_t offset) override {
    return checked<std::int64_t>(::pread(fd, into.data(), into.size(), static_cast<off_t>(offset)));
  }
  std::int64_t pread_now(int fd, MutableByteSpan into, std::uint64_t offset) override {
    const iovec vector{into.data(), into.size()};
    return checked<std::int64_t>(::preadv2(fd, &vector, 1, static_cast<off_t>(offset), RWF_NOWAIT));
  }
  std::int64_t pwrite(int fd, ByteSpan from, std::uint64_t offset) override {
    return checked<std::int64_t>(
        ::pwrite(fd, from.data(), from.size(), static_cast<off_t>(offset)));
  }
  int truncate(int fd, std::uint64_t bytes) override {
    return checked(::ftruncate(fd, static_cast<off_t>(bytes)));
  }
  int zero_range(int fd, std::uint64_t offset, std::uint64_t length) override {
    return checked(::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                               static_cast<off_t>(offset), static_cast<off_t>(length)));
  }
  int reserve(int fd, std::uint64_t offset, std::uint64_t length) override {
    return checked(::fallocate(fd, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                               static_cast<off_t>(length)));
  }

  int clone(int from, int to) override { return checked(::ioctl(to, FICLONE, from)); }
  std::int64_t copy_range(int from, std::uint64_t from_offset, int to, std::uint64_t to_offset,
                          std::uint64_t length) override {
    auto in = static_cast<off64_t>(from_offset);
    auto out = static_cast<off64_t>(to_offset);
    return checked<std::int64_t>(::copy_file_range(from, &in, to, &out, length, 0));
  }
  std::int64_t next_data(int fd, std::uint64_t offset) override {
    return checked<std::int64_t>(::lseek(fd, static_cast<off_t>(offset), SEEK_DATA));
  }
  std::int64_t next_hole(int fd, std::uint64_t offset) override {
    return checked<std::int64_t>(::lseek(fd, static_cast<off_t>(offset), SEEK_HOLE));
  }

  int sync_data(int fd) override { return checked(::fdatasync(fd)); }
  int sync_directory(const std::string& path) override {
    const int fd = open(path, O_RDONLY | O_DIRECTORY);
    if (fd < 0) return fd;
    const int result = checked(::fsync(fd));
    ::close(fd);
    return result;
  }
  int sync_everything(int fd) override { return checked(::syncfs(fd)); }
  int begin_write_out(int fd, std::uint64_t offset, std::uint64_t length) override {
    return checked(::sync_file_range(fd, static_cast<off64_t>(offset), static_cast<off64_t>(length),
                                     SYNC_FILE_RANGE_WRITE));
  }
  int finish_write_out(int fd) override {
    return checked(::sync_file_range(
        fd, 0, 0,
        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER));
  }
  bool write_out_orders_names(int fd) override {
    struct statfs info{};
    if (::fstatfs(fd, &info) != 0) return false;
    return info.f_type == XFS_SUPER_MAGIC || (info.f_type == EXT4_SUPER_MAGIC && has_journal(fd));
  }

  int stat(const std::string& path, FileStat& out) override {
    struct stat info{};
    if (::stat(path.c_str(), &info) != 0) return -errno;
    return fill(info, out);
  }
  int stat_open(int fd, FileStat& out) override {
    struct stat info{};
    if (::fstat(fd, &info) != 0) return -errno;
    return fill(info, out);
  }
  int rename(const std::string& from, const std::string& to) override {
    return checked(::rename(from.c_str(), to.c_str()));
  }
  int unlink(const std::string& path) override { return checked(::unlink(path.c_str())); }
  int make_directory(const std::string& path) override {
    return checked(::mkdir(path.c_str(), kDirectoryMode));
  }
  int remove_directory(const std::string& path) override { return checked(::rmdir(path.c_str())); }
  int list(const std::string& path, std::vector<std::string>& names) override {
    DIR* directory = ::opendir(path.c_str());
    if (directory == nullptr) return -errno;
    errno = 0;
    while (const dirent* entry = ::readdir(directory)) {
      const char* name = entry->d_name;
      if (std::strcmp(name, ".") != 0 && std::strcmp(name, "..") != 0) names.emplace_back(name);
    }
    const int error = errno;
    ::closedir(directory);
    return -error;
  }
  int space(const std::string& path, FileSystemSpace& out) override {
    struct statvfs info{};
    if (::statvfs(path.c_str(), &info) != 0) return -errno;
    out.total_bytes = info.f_blocks * info.f_frsize;
    out.free_for_root_bytes = info.f_bfree * info.f_frsize;
    out.free_bytes = info.f_bavail * info.f_frsize;
    return 0;
  }

 private:
  static int fill(const struct stat& info, FileStat& out) {
    out.is_file = S_ISREG(info.st_mode);
    out.is_directory = S_ISDIR(info.st_mode);
    out.bytes = static_cast<std::uint64_t>(info.st_size);
    out.device = info.st_dev;
    return 0;
  }
};

}  // namespace

FileSystem& system_files() {
  static SystemFiles files;
  return files;
}

}  // namespace sharestore
