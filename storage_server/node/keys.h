// The keys of a node: made once, kept for ever, refused when a part of them is gone.
//
// A node's certificate, signing key and swissnum are its identity. Clients derive the write
// enablers of mutable files from the certificate, so a new one would lock them out of everything
// they can write here: keys are made for a new node only, and a missing file is an error that names
// it.
//
// Main thread, before serving; the values may be read by any thread.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "backends/core/error.h"
#include "backends/core/secret.h"
#include "config/node_config.h"
#include "storage_server/node/certificate.h"

namespace sharestore {

inline constexpr std::size_t kSigningSeedBytes = 32;

// Where the files are. `storage_directory` tells whether shares were ever kept here.
struct KeyPlace {
  std::filesystem::path node_directory;
  std::filesystem::path private_directory;
  std::filesystem::path storage_directory;
};

KeyPlace key_place(const NodeConfig& config);

struct NodeKeys {
  Certificate certificate;  // private/node.pem
  Secret swissnum;          // last part of private/storage.furl
  Secret signing_seed;      // private/node.privkey: Ed25519 seed, kSigningSeedBytes
  std::string public_key;   // 52 characters of base32
  std::string permutation_seed;

  // The name of the node in announcements.
  std::string server_id() const { return "v0-" + public_key; }
};

// Random bytes in base32, such as a swissnum.
Secret random_secret(std::size_t random_bytes);

// Reads the keys and changes nothing; the permutation seed of a node that has none yet is the one
// that its next start would write.
//
// not_found: no keys yet (start the node once), or some of them are missing; the sentence names the
// files. forbidden: a private file is open to others. invalid_argument: a file is not what it must
// be, or belongs to another node's certificate.
Result<NodeKeys> read_keys(const KeyPlace& place);

// Whether prepare_keys would succeed as far as can be told without writing: the keys can be read,
// or there are none and new ones may be made. Errors as read_keys.
Status check_keys(const KeyPlace& place);

// What start does: makes keys if the node has never had any, otherwise reads them; then brings the
// derived files up to date (my_nodeid, node.pubkey, permutation-seed, and private/storage.furl with
// `location`, a comma list of connection hints). Durable on success.
//
// Keys are made only where none of node.pem, node.privkey, storage.furl and my_nodeid exists and no
// shares are kept. Errors as read_keys, and those of writing files.
Result<NodeKeys> prepare_keys(const KeyPlace& place, std::string_view location);

}  // namespace sharestore
