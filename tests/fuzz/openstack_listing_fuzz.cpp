// What a Swift store answers: a listing that is understood goes on, a manifest keeps its meaning.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "backends/openstack/swift_answers.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sharestore;
  using namespace sharestore::openstack;
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto page = parse_listing(text, "p/", "p/a")) {
    std::string last = "p/a";
    for (const ObjectInfo& object : *page) {
      if (object.key <= last || !object.key.starts_with("p/")) std::abort();
      last = object.key;
    }
  }
  if (const auto manifest = parse_manifest(text)) {
    const auto again = parse_manifest(write_manifest(*manifest));
    if (!again || again->size() != manifest->size()) std::abort();
    for (const ManifestSegment& segment : *manifest) {
      if (segment.path.empty()) std::abort();
    }
  }
  const SwiftLimits limits = parse_limits(text);
  if (limits.max_segments == 0 || limits.max_object_bytes == 0 || limits.max_bulk_deletes == 0) {
    std::abort();
  }
  (void)parse_bulk_delete(text);
  if (const auto range = parse_content_range(text)) {
    if (range->first && (range->last < *range->first || range->last >= range->whole_bytes)) {
      std::abort();
    }
  }
  return 0;
}
