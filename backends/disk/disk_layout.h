// Which file is where below a storage directory. Facts: disk-format.md section 1.
//
// Values and pure functions; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "backends/core/storage_index.h"

namespace sharestore {

class DiskLayout {
 public:
  // `side` is the directory for what is ours beside the shares: `storage`, or a directory inside
  // shares/ where shares/ lies on another file system (renames must stay within one).
  DiskLayout(std::string storage, std::string side)
      : storage_(std::move(storage)), side_(std::move(side)) {}

  const std::string& storage() const { return storage_; }
  const std::string& side() const { return side_; }
  std::string shares() const { return storage_ + "/shares"; }
  // Uploads under way; all of it goes at start. Flat, unlike the Python node's: nobody but the
  // writer looks into it, and two directories per upload would double the cost of a small one.
  std::string incoming() const { return shares() + "/incoming"; }
  // New versions of mutable shares and redo records, before their names or bytes are in place.
  std::string pending() const { return side_ + "/pending"; }
  std::string quarantine() const { return side_ + "/quarantine"; }
  std::string state() const { return storage_ + "/state"; }

  std::string prefix_directory(StorageIndex index) const { return shares() + "/" + index.prefix(); }
  std::string index_directory(StorageIndex index) const {
    const std::string text = index.to_text();
    return shares() + "/" + text.substr(0, 2) + "/" + text;
  }
  std::string share(ShareId share) const {
    return index_directory(share.storage_index) + "/" + std::to_string(share.number);
  }
  std::string upload(ShareId share) const {
    return incoming() + "/" + share.storage_index.to_text() + "." + std::to_string(share.number);
  }

 private:
  std::string storage_;
  std::string side_;
};

// Names of share files are plain decimal numbers; everything else in a share's directory is
// foreign.
inline std::optional<ShareNumber> share_number_of_name(std::string_view name) {
  return share_number_from_text(name, true);
}

// The storage index a directory is named after; nothing if it is not spelt canonically.
inline std::optional<StorageIndex> storage_index_of_name(std::string_view name) {
  auto index = StorageIndex::from_text(name);
  if (index && index->to_text() != name) index.reset();
  return index;
}

// Two base32 characters.
inline bool is_prefix_name(std::string_view name) {
  return name.size() == 2 &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz234567") == std::string_view::npos;
}

}  // namespace sharestore
