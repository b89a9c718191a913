// The whole configuration of a node, read once from its directory and never changed afterwards.
//
// Any thread may read a loaded `NodeConfig`; it owns everything it holds.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "backends/core/error.h"
#include "config/endpoint.h"
#include "config/environment.h"
#include "config/storage_config.h"

namespace sharestore {

struct IntroducerConfig {
  std::string petname;
  // A well-formed "pb://<tubid>@<hints>/<name>". Its last part is a capability: keep it out of
  // logs.
  std::string furl;
};

struct GridManagerCertificate {
  std::string name;
  std::filesystem::path file;
  // The two members of the file, unchanged: this is what the announcement carries.
  std::string certificate;
  std::string signature;
  // What the certificate says: for whom ("pub-v0-…") and until when clients take it.
  std::string public_key;
  std::chrono::sys_seconds expires;
};

struct NodeConfig {
  std::filesystem::path node_directory;     // absolute
  std::filesystem::path config_file;        // <node_directory>/tahoe.cfg; it may be absent
  std::filesystem::path private_directory;  // <node_directory>/private

  std::string nickname = "<unspecified>";
  // Where storage clients connect. None when neither tahoe.cfg nor the file client.port says so:
  // `run` then chooses a free port and records it in client.port.
  std::optional<std::vector<ListenEndpoint>> tub_port;
  std::vector<LocationHint> tub_location;  // never empty; one `automatic` hint by default
  std::vector<ListenEndpoint> web_port;    // empty: no web pages
  bool reveal_ip_address = true;
  // False with `[connections] tcp = disabled`: introducers must not be connected to.
  bool outbound_tcp = true;
  // For introducer connections; none: the publisher's own defaults.
  std::optional<std::chrono::seconds> keepalive_timeout;
  std::optional<std::chrono::seconds> disconnect_timeout;

  StorageConfig storage;
  std::vector<IntroducerConfig> introducers;  // sorted by petname
  // Loaded only with `[storage] grid_management = true`; in the order of tahoe.cfg.
  std::vector<GridManagerCertificate> grid_manager_certificates;

  // Sentences for the log, one line each: what is ignored, has no effect, or deserves a warning.
  std::vector<std::string> notices;
};

// Reads `<node_directory>/tahoe.cfg`, client.port, private/ and the certificates it names, and
// checks all of it. Changes nothing on disk.
//
// Errors: `not_found` when this is no node directory; `forbidden` for a secret that others may
// read; `unsupported` for a key whose value this node cannot honour; `invalid_argument` for
// everything else that is wrong. The sentence describes the first fault and names file, line,
// section, key and what was expected. No secret is ever part of it.
Result<NodeConfig> load_node_config(const std::filesystem::path& node_directory,
                                    const Environment& environment);

}  // namespace sharestore
