// What clients are given to find the node: NURLs, the FURL, the entry for private/servers.yaml.
//
// Pure functions, any thread. All of it holds the swissnum, which is a capability: it is for the
// operator's eyes, never for the log.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "config/node_config.h"
#include "storage_server/node/keys.h"

namespace sharestore {

// One NURL per tcp and tor hint ("pb://<spki>@host:port/<swissnum>#v=1", "pb+tor://…"); others have
// no NURL form. `hints` has no AUTO left.
std::vector<std::string> make_nurls(const NodeKeys& keys, std::span<const LocationHint> hints);

// "pb://<tubid>@<hints>/<swissnum>". Clients never connect to it; they read its tubid.
std::string make_furl(const NodeKeys& keys, std::span<const LocationHint> hints);

// The static entry of this node for a client's private/servers.yaml, every value quoted, ASCII
// only.
std::string make_servers_yaml(const NodeKeys& keys, std::span<const LocationHint> hints,
                              const NodeConfig& config);

// The same NURL with its swissnum hidden, for logs.
std::string without_swissnum(const std::string& nurl);

}  // namespace sharestore
