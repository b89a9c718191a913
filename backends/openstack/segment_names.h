// The names of the segments of large objects (architecture: what lies in the bucket).
//
//   <prefix>segments/<XX>/<SI>/<N>/<nonce>/<part>       a segment of <prefix>shares/<XX>/<SI>/<N>
//   <prefix>segments/other/<name>/<nonce>/<part>        of any other object <prefix><name>
//   <prefix>segments/open/<…>/<nonce>                   empty: that the segments under <…>/<nonce>
//                                                       may belong to no manifest
//
// The last kind exists from before the first segment until the manifest stands, and from before a
// manifest is replaced or removed until its segments are gone. So what a crash leaves is found by
// listing what is unfinished, not what is stored.
//
// Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "backends/object/container.h"

namespace sharestore::openstack {

class SegmentNames {
 public:
  // `prefix` is empty or ends in '/'.
  explicit SegmentNames(std::string prefix) : prefix_(std::move(prefix)) {}

  // Of one upload, ending in '/'.
  std::string folder(const Multipart& upload) const;
  std::string part(const Multipart& upload, std::uint32_t number) const;
  std::string mark(const Multipart& upload) const;
  std::string all_marks() const { return prefix_ + "segments/open/"; }

  // The upload that a mark names; nothing for other keys.
  std::optional<Multipart> parse_mark(std::string_view key) const;
  // The upload of `key` that a segment belongs to; nothing for a name that is not one of key's.
  std::optional<Multipart> upload_of(const std::string& key, std::string_view segment) const;

 private:
  std::string place(const std::string& key) const;

  std::string prefix_;
};

}  // namespace sharestore::openstack
