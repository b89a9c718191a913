// Where a node's control socket lies, as a path that fits into a socket address.
//
// A value that may own a descriptor; any thread, one at a time.
#pragma once

#include <filesystem>
#include <string>

#include "backends/core/error.h"
#include "storage_server/http/listener.h"

namespace sharestore::control {

inline constexpr const char* kSocketName = "control.sock";

class SocketPath {
 public:
  // A path of more than 107 bytes is replaced by one through an open descriptor of the directory,
  // which must outlive the use of path(). Errors: as errno_error says, naming the directory.
  static Result<SocketPath> of(const std::filesystem::path& node_directory);

  const std::string& path() const { return path_; }

 private:
  std::string path_;
  http::Descriptor directory_;
};

}  // namespace sharestore::control
