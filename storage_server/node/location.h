// The hints by which clients find the node, with AUTO replaced by this machine's addresses.
//
// Main thread, at start and in commands.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "backends/core/error.h"
#include "config/endpoint.h"
#include "config/node_config.h"

namespace sharestore {

// The location hints of `config` with AUTO replaced: the address that the first TCP listener of
// `listeners` is bound to, or every IPv4 address of this machine, loopback last, with that
// listener's port. invalid_argument: AUTO without a TCP listener or without an address.
Result<std::vector<LocationHint>> resolve_location(std::span<const LocationHint> hints,
                                                   std::span<const ListenEndpoint> listeners);

// The hints as they stand in a FURL: "tcp:host:port,tor:host:port".
std::string location_text(std::span<const LocationHint> hints);

// Where the node listens: `tub.port`, or client.port, or a free port that is chosen now and written
// to client.port as the Python node does. Errors: unavailable (no free port found), and those of
// writing the file.
Result<std::vector<ListenEndpoint>> choose_listeners(const NodeConfig& config);

// A TCP port that is free on all interfaces at this moment and outside the range that the kernel
// takes for outgoing connections. unavailable: none found.
Result<std::uint16_t> free_port();

}  // namespace sharestore
