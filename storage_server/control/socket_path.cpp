#include "storage_server/control/socket_path.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/un.h>

#include <cerrno>

namespace sharestore::control {

Result<SocketPath> SocketPath::of(const std::filesystem::path& node_directory) {
  SocketPath made;
  made.path_ = (node_directory / kSocketName).string();
  if (made.path_.size() < sizeof(sockaddr_un::sun_path)) return made;
  made.directory_ =
      http::Descriptor(::open(node_directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!made.directory_) return fail(errno_error(errno, node_directory.string()));
  made.path_ = fmt::format("/proc/self/fd/{}/{}", made.directory_.get(), kSocketName);
  return made;
}

}  // namespace sharestore::control
