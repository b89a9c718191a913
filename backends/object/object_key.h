// The names of objects, frozen from the first acknowledged byte (architecture: what lies in the
// bucket).
//
//   <prefix>shares/<XX>/<SI>/<N>           a share file
//   <prefix>quarantine/<XX>/<SI>/<N>.<id>  a share taken out of service
//   <prefix>state/<name>                   small blobs: snapshots, batches
//   <prefix>owner                          who may write here
//
// Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "backends/core/storage_index.h"

namespace sharestore {

class ObjectKeys {
 public:
  // `prefix` is empty or ends in '/'.
  explicit ObjectKeys(std::string prefix) : prefix_(std::move(prefix)) {}

  std::string share(const ShareId& share) const;
  // Everything of one storage index, ending in '/': share 1 never matches share 10.
  std::string shares_of(const StorageIndex& storage_index) const;
  std::string all_shares() const { return prefix_ + "shares/"; }
  // Everything under one of the 1024 two-letter prefixes, ending in '/'.
  std::string shares_under(std::string_view two_letters) const;
  std::string quarantined(const ShareId& share, std::string_view id) const;
  std::string state(std::string_view name) const { return prefix_ + "state/" + std::string(name); }
  std::string all_state() const { return prefix_ + "state/"; }
  std::string owner() const { return prefix_ + "owner"; }

  // The share that a key names, exactly; nothing for every other key, chunks `N.1` of the older
  // layout included.
  std::optional<ShareId> parse_share(std::string_view key) const;
  // The blob that a key names.
  std::optional<std::string> parse_state(std::string_view key) const;

 private:
  std::string prefix_;
};

}  // namespace sharestore
