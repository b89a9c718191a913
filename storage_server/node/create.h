// Makes a node directory: what `create-node` writes.
//
// Main thread of a command.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "backends/core/error.h"
#include "config/environment.h"

namespace sharestore {

struct CreateOptions {
  std::filesystem::path directory;
  std::string nickname;         // empty: none
  std::string introducer_furl;  // empty: none
  std::string backend = "disk";
  // Endpoint of the web pages; empty: none.
  std::string web_port;
  // Either a host name or address by which clients reach this machine (a port is chosen; for a
  // loopback address the node listens there only) …
  std::string hostname;
  // … or both of these.
  std::string port;
  std::string location;
  // Empty: storage/ in the node directory.
  std::string storage_directory;
};

struct CreatedNode {
  std::filesystem::path directory;  // absolute
  // What the operator has yet to set before the node can start; empty when nothing is missing.
  std::string still_needed;
};

// Makes the directory (its parent must exist; an empty directory is taken as it is), tahoe.cfg,
// tahoe-client.tac, private/ and keys. With the disk backend tahoe.cfg has only keys that the
// Python node knows.
//
// already_exists: the directory is not empty. invalid_argument: an option is wrong. On an error
// nothing that was made is left behind.
Result<CreatedNode> create_node(const CreateOptions& options, const Environment& environment);

}  // namespace sharestore
