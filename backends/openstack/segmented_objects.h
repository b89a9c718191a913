// Objects in segments: uploads in parts, joined by a static large object manifest, and the segments
// removed with it.
//
// Nothing here trusts a listing for what it does not show: segments go by what a manifest, read
// newest, notes or names and by what this process sent. Only for uploads of other processes, which
// a sweep finds, listings are asked.
//
// Threads: as SwiftStore. The caller serialises calls on one key.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "backends/object/container.h"
#include "backends/openstack/segment_names.h"
#include "backends/openstack/swift_objects.h"

namespace sharestore::openstack {

class SegmentedObjects {
 public:
  SegmentedObjects(SwiftObjects& objects, std::string prefix);

  // Before anything else; the store's own limits.
  void set_limits(const SwiftLimits& limits);

  Task<Multipart> begin(OpContext context, std::string key);
  Task<MultipartPart> upload_part(OpContext context, Multipart upload, std::uint32_t number,
                                  ByteSourcePtr content);
  Task<ObjectInfo> complete(OpContext context, Multipart upload, std::vector<MultipartPart> parts);
  // Removes the segments, unless a manifest names them after all.
  Task<void> abort(OpContext context, Multipart upload);
  Task<std::vector<Multipart>> unfinished(OpContext context, std::string prefix, std::size_t limit);

  // What belongs to the object under a key as it is now.
  struct Old {
    std::vector<Multipart> uploads;  // marked as unfinished
    std::vector<std::string> segments;
  };
  // Before the object is replaced or removed.
  Task<Old> mark_old(OpContext context, std::string key);
  // After it is gone. What cannot be removed now is left to the next sweep.
  boost::asio::awaitable<void> remove_old(OpContext context, Old old);

 private:
  SwiftLimits limits() const;
  Task<void> mark(OpContext context, Multipart upload);
  Task<bool> is_named(OpContext context, Multipart upload);
  Task<void> remove_segments(OpContext context, Multipart upload);

  SwiftObjects& objects_;
  const SegmentNames names_;
  mutable std::mutex mutex_;
  SwiftLimits limits_;
  // Parts begun by this process, by mark; gone with the upload.
  std::map<std::string, std::set<std::uint32_t>> sent_;
};

}  // namespace sharestore::openstack
