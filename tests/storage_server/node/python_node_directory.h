// A node directory as the Python node leaves it behind (node-directory.md section 1), made by code.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "backends/core/storage_index.h"

namespace sharestore::test {

struct PythonNodeDirectory {
  std::filesystem::path path;
  std::string tub_id;
  std::string swissnum;
  std::string public_key;  // 52 characters
  std::uint16_t port = 0;  // of tub.port and tub.location, on 127.0.0.1
};

// RSA certificate (X.509 v1, CN=newpb_thingy, expired), keys mode 0644 in private/ mode 0700,
// storage.furl 0600, permutation seed of a node that began without shares. Ends with what a clean
// stop leaves; it has never held a share.
PythonNodeDirectory make_python_node_directory(const std::filesystem::path& path);

// A v2 immutable share file with these bytes and one lease that ends at `expires_at`.
void add_python_share(const std::filesystem::path& node_directory, StorageIndex storage_index,
                      ShareNumber number, const std::string& data, std::uint32_t expires_at);

}  // namespace sharestore::test
