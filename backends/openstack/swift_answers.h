// What a Swift store answers, read: listings, manifests, limits, bulk deletions.
//
// Pure functions over values; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/core/error.h"
#include "backends/http/endpoint.h"
#include "backends/http/http_message.h"
#include "backends/object/container.h"

namespace sharestore::openstack {

// The most a store may be asked to list at once: Swift's own limit, which stores keep.
inline constexpr std::size_t kMaxListingEntries = 10'000;

// One page of a JSON listing. unavailable: not a listing, or one that does not go on: every name
// must begin with `prefix` and follow `after` and the one before it.
Result<std::vector<ObjectInfo>> parse_listing(std::string_view body, std::string_view prefix,
                                              std::string_view after);

struct ManifestSegment {
  std::string path;  // "/container/name"
  std::string etag;
  std::uint64_t size_bytes = 0;
};

// The body of `PUT …?multipart-manifest=put`.
std::string write_manifest(const std::vector<ManifestSegment>& segments);
// What `GET …?multipart-manifest=get` answers. unavailable: not a manifest.
Result<std::vector<ManifestSegment>> parse_manifest(std::string_view body);

// What the store says of itself under /info; what it does not say is as Swift has it by default.
struct SwiftLimits {
  bool segments = true;  // static large objects
  bool bulk_delete = false;
  std::uint64_t max_object_bytes = 5ULL << 30;
  std::uint32_t max_segments = 1000;
  std::uint64_t min_segment_bytes = 1;
  std::size_t max_bulk_deletes = 1000;
};
SwiftLimits parse_limits(std::string_view body);

// unavailable: the answer tells of objects that were not removed, or nothing.
Status parse_bulk_delete(std::string_view body);

// "bytes 5-9/30" of a 206, "bytes */30" of a 416.
struct ContentRange {
  std::optional<std::uint64_t> first;
  std::uint64_t last = 0;
  std::uint64_t whole_bytes = 0;
};
std::optional<ContentRange> parse_content_range(std::string_view text);

// Without quotes.
std::string etag_of(const http_client::HttpResponse& response);
// From Last-Modified or X-Timestamp; 0: not told.
std::int64_t modified_at(const http_client::HttpResponse& response);

// What an answer means for a request on an object, 401 left aside. Swift says 503 also when too few
// copies took a change, so that its outcome is not known.
http_client::Judgement judge_swift(const http_client::HttpResponse& response,
                                   http_client::Effect effect, const std::string& what);

}  // namespace sharestore::openstack
