#include "backends/disk/disk_parts.h"

#include <fcntl.h>

#include <cerrno>

namespace sharestore {

Result<PendingFile> create_pending(DiskParts& parts, ShareId share) {
  std::string path = parts.layout.pending() + "/" + parts.new_pending_name(share);
  auto file = File::open(parts.files, path, O_RDWR | O_CREAT | O_EXCL, share.to_text());
  if (!file) return fail(file.error());
  return PendingFile(parts.files, std::move(path), std::move(*file));
}

Result<OpenShare> open_share_file(FileSystem& files, const DiskLayout& layout, ShareId share,
                                  int flags) {
  const std::string name = share.to_text();
  const int fd = files.open(layout.share(share), flags | O_NONBLOCK);
  if (fd == -ENOENT || fd == -ENOTDIR) return fail(Errc::not_found, name + ": no such share");
  if (fd < 0) {
    const Error error = file_error(fd, name);
    // A file that we may not read is a fault of this machine, not a refusal to the client.
    if (error.code() == Errc::forbidden) return fail(Errc::io_error, error.message());
    return fail(error);
  }
  OpenShare share_file{File(files, fd), {}};
  const auto size = share_file.file.size();
  if (!size) return fail(size.error().with_context(name));
  const auto header = load_share_header(share_file.file.reader(), *size);
  if (!header) return fail(header.error().with_context(name));
  share_file.header = *header;
  return share_file;
}

Status make_share_directories(FileSystem& files, const DiskLayout& layout, StorageIndex index) {
  const std::string directory = layout.index_directory(index);
  int result = files.make_directory(directory);
  if (result == -ENOENT) {
    result = files.make_directory(layout.prefix_directory(index));
    if (result == 0 || result == -EEXIST) result = files.make_directory(directory);
  }
  if (result < 0 && result != -EEXIST) {
    return fail(file_error(result, "directory of " + index.to_text()));
  }
  return {};
}

std::vector<std::string> share_directories(const DiskLayout& layout, StorageIndex index) {
  return {layout.shares(), layout.prefix_directory(index), layout.index_directory(index)};
}

Status unlink_share(FileSystem& files, const DiskLayout& layout, ShareId share) {
  const int result = files.unlink(layout.share(share));
  if (result < 0 && result != -ENOENT && result != -ENOTDIR) {
    return fail(file_error(result, "removal of " + share.to_text()));
  }
  files.remove_directory(layout.index_directory(share.storage_index));
  return {};
}

}  // namespace sharestore
