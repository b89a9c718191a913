// Single objects of one container: each method one request or, where a listing goes on, several.
//
// Threads: as SwiftStore.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backends/core/io_pool.h"
#include "backends/object/container.h"
#include "backends/openstack/object_kinds.h"
#include "backends/openstack/swift_answers.h"
#include "backends/openstack/swift_store.h"

namespace sharestore::openstack {

// A whole object is read into memory up to this; share data is read by ranges.
inline constexpr std::size_t kMaxWholeGetBytes = 64 << 20;
// "Not there" is believed without asking for the container when that answered so shortly ago.
inline constexpr std::chrono::seconds kContainerBelieved{60};

// Kept with a manifest, as metadata: which upload made it. A look at the object tells its segments
// then, also where a store tells no manifest (radosgw).
struct ManifestNote {
  std::string upload_id;
  std::uint32_t last_part = 0;  // there are none above it
};

struct Manifest {
  std::optional<ManifestNote> note;
  // As the store tells them; read only when there is no note.
  std::vector<ManifestSegment> segments;
};

class SwiftObjects {
 public:
  SwiftObjects(SwiftStore& store, IoPool& pool, std::string container);

  // not_found: the container is not there.
  Task<void> check_container(OpContext context);
  // True: it was made; false: it was there.
  Task<bool> create_container(OpContext context);
  Task<SwiftLimits> limits(OpContext context);

  Task<ObjectInfo> put(OpContext context, std::string key, ByteSourcePtr content);
  Task<ObjectInfo> put_manifest(OpContext context, std::string key,
                                std::vector<ManifestSegment> segments, ManifestNote note);
  Task<ObjectBytes> get(OpContext context, std::string key, std::uint64_t offset,
                        std::uint64_t length, Freshness freshness);
  Task<ObjectInfo> head(OpContext context, std::string key, Freshness freshness);
  // Only the object itself. Missing is success.
  Task<void> remove(OpContext context, std::string key);
  // Objects without segments, in one request per `limits.max_bulk_deletes` if the store has that.
  // Goes on after a failure and answers the first.
  Task<void> remove_all(OpContext context, std::vector<std::string> keys, SwiftLimits limits);
  Task<ObjectPage> list(OpContext context, std::string prefix, std::string after,
                        std::size_t limit);
  // What joins the object, newest; empty when it is not there or not a manifest.
  Task<Manifest> manifest(OpContext context, std::string key);

  // "/container/key", as manifests name objects; and the key again, of this container only.
  std::string path_of(const std::string& key) const { return "/" + container_ + "/" + key; }
  std::optional<std::string> key_of(std::string_view path) const;

 private:
  std::string target(std::string_view key, std::string_view query = {}) const;
  // Whether a 404 is about the object: unavailable if the container is gone.
  Task<void> confirm_absent(OpContext context, std::string key);
  // A HEAD; not_found only when the container is there.
  Task<http_client::HttpResponse> look(OpContext context, std::string key, Freshness freshness);
  Task<http_client::HttpResponse> send_put(OpContext context, StoreCall call, std::string key);
  void seen(OpContext context);

  SwiftStore& store_;
  IoPool& pool_;
  const std::string container_;
  ObjectKinds kinds_;
  std::atomic<std::int64_t> container_seen_ns_ = 0;
};

}  // namespace sharestore::openstack
