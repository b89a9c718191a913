// What an introducer passes on to clients: where the node is and how its shares are placed.
//
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "backends/core/secret.h"
#include "config/node_config.h"

namespace sharestore::grid {

// What stays the same while the node runs.
struct AnnouncementFacts {
  std::string nickname;  // UTF-8
  std::string version;   // program and version, shown on the introducer's page
  // Clients drop a server without a FURL although they never connect to it: they take its tubid.
  std::string furl;
  std::vector<std::string> nurls;
  std::string permutation_seed;
  // Empty unless `[storage] grid_management` is on.
  std::vector<GridManagerCertificate> certificates;
};

// Byte strings as publish_v2 takes them.
struct SignedAnnouncement {
  std::string json;
  std::string signature;   // "v0-" and base32
  std::string public_key;  // "v0-" and base32: the server's id
};

// The JSON text. `seqnum` must grow with every change: introducers keep the older one otherwise.
std::string announcement_json(const AnnouncementFacts& facts, std::uint64_t seqnum,
                              std::string_view nonce);

// With a fresh nonce, signed by the Ed25519 key of `seed` (32 bytes).
SignedAnnouncement sign_announcement(const AnnouncementFacts& facts, std::uint64_t seqnum,
                                     const Secret& seed);

// The same for a text that is already there.
SignedAnnouncement sign_text(std::string json, const Secret& seed);

}  // namespace sharestore::grid
