#include "backends/openstack/segmented_objects.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <utility>

#include "backends/core/base32.h"
#include "backends/core/log.h"
#include "backends/http/body_digest.h"

namespace sharestore::openstack {

namespace {

constexpr std::size_t kNonceBytes = 10;
constexpr std::size_t kListPage = 1000;

std::string new_nonce() {
  std::string nonce(kNonceBytes, '\0');
  randombytes_buf(nonce.data(), nonce.size());
  return base32_encode(nonce);
}

// The entity tag of a manifest: MD5 of the segments' MD5s in a row.
std::string manifest_etag(const std::vector<MultipartPart>& parts) {
  std::string tags;
  for (const MultipartPart& part : parts) tags += part.etag;
  return http_client::md5_hex(tags);
}

}  // namespace

SegmentedObjects::SegmentedObjects(SwiftObjects& objects, std::string prefix)
    : objects_(objects), names_(std::move(prefix)) {}

void SegmentedObjects::set_limits(const SwiftLimits& limits) {
  const std::lock_guard hold(mutex_);
  limits_ = limits;
}

SwiftLimits SegmentedObjects::limits() const {
  const std::lock_guard hold(mutex_);
  return limits_;
}

Task<void> SegmentedObjects::mark(OpContext context, Multipart upload) {
  auto marked = co_await objects_.put(context, names_.mark(upload), memory_source({}));
  if (!marked) co_return fail(std::move(marked.error()));
  co_return Status{};
}

// --- uploads ------------------------------------------------------------------------------------

Task<Multipart> SegmentedObjects::begin(OpContext context, std::string key) {
  if (!limits().segments) {
    co_return fail(Errc::unsupported, "the store has no static large objects: shares beyond its " +
                                          std::to_string(limits().max_object_bytes) +
                                          " bytes cannot be kept");
  }
  const Multipart upload{std::move(key), new_nonce()};
  auto marked = co_await mark(context, upload);
  if (!marked) co_return fail(std::move(marked.error()));
  const std::lock_guard hold(mutex_);
  sent_[names_.mark(upload)];
  co_return upload;
}

Task<MultipartPart> SegmentedObjects::upload_part(OpContext context, Multipart upload,
                                                  std::uint32_t number, ByteSourcePtr content) {
  {
    const std::lock_guard hold(mutex_);
    sent_[names_.mark(upload)].insert(number);
  }
  auto put = co_await objects_.put(context, names_.part(upload, number), content);
  if (!put) co_return fail(std::move(put.error()));
  co_return MultipartPart{number, put->etag, content->size()};
}

Task<ObjectInfo> SegmentedObjects::complete(OpContext context, Multipart upload,
                                            std::vector<MultipartPart> parts) {
  std::vector<ManifestSegment> segments;
  std::uint64_t size = 0;
  std::uint32_t last = 0;
  for (const MultipartPart& part : parts) {
    if (part.number <= last) co_return fail(Errc::invalid_argument, "parts out of order");
    last = part.number;
    size += part.size_bytes;
    segments.push_back(
        {objects_.path_of(names_.part(upload, part.number)), part.etag, part.size_bytes});
  }
  auto old = co_await mark_old(context, upload.key);
  if (!old) co_return fail(std::move(old.error()));
  const std::string etag = manifest_etag(parts);
  auto put = co_await objects_.put_manifest(context, upload.key, std::move(segments),
                                            ManifestNote{upload.id, last});
  ObjectInfo info{upload.key, size, etag, put ? put->modified_at : 0};
  if (!put || put->etag != etag) {
    auto there = co_await objects_.head(context, upload.key, Freshness::newest);
    const bool looked = there || there.error().code() == Errc::not_found;
    const bool ours = there && there->etag == etag && there->size_bytes == size;
    if (!ours) {
      Error error = put ? Error(Errc::unavailable, "the store joined other segments than were sent")
                        : put.error();
      co_return fail(error.code(), error.message(), looked && error.outcome_known());
    }
    info = std::move(*there);
  }
  {
    const std::lock_guard hold(mutex_);
    sent_.erase(names_.mark(upload));
  }
  auto unmarked = co_await objects_.remove(context, names_.mark(upload));
  // The next sweep sees that the manifest names them.
  if (!unmarked) log::debug("{}: {}", upload.key, unmarked.error().message());
  co_await remove_old(context, std::move(*old));
  co_return info;
}

Task<bool> SegmentedObjects::is_named(OpContext context, Multipart upload) {
  auto manifest = co_await objects_.manifest(context, upload.key);
  if (!manifest) co_return fail(std::move(manifest.error()));
  if (manifest->note) co_return manifest->note->upload_id == upload.id;
  const std::string folder = objects_.path_of(names_.folder(upload));
  co_return std::ranges::any_of(manifest->segments, [&](const ManifestSegment& segment) {
    return segment.path.starts_with(folder);
  });
}

Task<void> SegmentedObjects::remove_segments(OpContext context, Multipart upload) {
  std::vector<std::string> keys;
  bool begun_here = false;
  {
    const std::lock_guard hold(mutex_);
    const auto sent = sent_.find(names_.mark(upload));
    begun_here = sent != sent_.end();
    if (begun_here) {
      for (const std::uint32_t number : sent->second) keys.push_back(names_.part(upload, number));
    }
  }
  const std::string folder = names_.folder(upload);
  std::string after;
  while (!begun_here) {
    auto page = co_await objects_.list(context, folder, after, kListPage);
    if (!page) co_return fail(std::move(page.error()));
    for (const ObjectInfo& object : page->objects) keys.push_back(after = object.key);
    if (!page->more) break;
  }
  // Each by its name: what a listing goes on to show of them is late.
  co_return co_await objects_.remove_all(context, std::move(keys), limits());
}

Task<void> SegmentedObjects::abort(OpContext context, Multipart upload) {
  auto named = co_await is_named(context, upload);
  if (!named) co_return fail(std::move(named.error()));
  if (!*named) {
    auto removed = co_await remove_segments(context, upload);
    if (!removed) co_return removed;
  }
  {
    const std::lock_guard hold(mutex_);
    sent_.erase(names_.mark(upload));
  }
  co_return co_await objects_.remove(context, names_.mark(upload));
}

Task<std::vector<Multipart>> SegmentedObjects::unfinished(OpContext context, std::string prefix,
                                                          std::size_t limit) {
  std::vector<Multipart> found;
  std::string after;
  while (found.size() < limit) {
    auto page = co_await objects_.list(context, names_.all_marks(), after, kListPage);
    if (!page) co_return fail(std::move(page.error()));
    for (const ObjectInfo& object : page->objects) {
      after = object.key;
      auto upload = names_.parse_mark(object.key);
      if (!upload || !upload->key.starts_with(prefix)) continue;
      auto there = co_await objects_.head(context, object.key, Freshness::newest);
      if (!there && there.error().code() == Errc::not_found) continue;
      if (!there) co_return fail(std::move(there.error()));
      found.push_back(std::move(*upload));
      if (found.size() == limit) break;
    }
    if (!page->more) break;
  }
  co_return found;
}

// --- what is replaced ---------------------------------------------------------------------------

Task<SegmentedObjects::Old> SegmentedObjects::mark_old(OpContext context, std::string key) {
  auto manifest = co_await objects_.manifest(context, key);
  if (!manifest) co_return fail(std::move(manifest.error()));
  Old old;
  if (manifest->note) {
    const Multipart upload{key, manifest->note->upload_id};
    for (std::uint32_t number = 1; number <= manifest->note->last_part; ++number) {
      old.segments.push_back(names_.part(upload, number));
    }
    old.uploads.push_back(upload);
  }
  for (const ManifestSegment& segment : manifest->segments) {
    const auto name = objects_.key_of(segment.path);
    // Others' objects, which a manifest made elsewhere may join, are not ours to remove.
    const auto upload = name ? names_.upload_of(key, *name) : std::nullopt;
    if (!upload) continue;
    const auto same = [&](const Multipart& other) { return other.id == upload->id; };
    if (std::ranges::none_of(old.uploads, same)) old.uploads.push_back(*upload);
    old.segments.push_back(*name);
  }
  for (const Multipart& upload : old.uploads) {
    auto marked = co_await mark(context, upload);
    if (!marked) co_return fail(std::move(marked.error()));
  }
  co_return old;
}

boost::asio::awaitable<void> SegmentedObjects::remove_old(OpContext context, Old old) {
  if (old.uploads.empty()) co_return;
  auto removed = co_await objects_.remove_all(context, std::move(old.segments), limits());
  for (const Multipart& upload : old.uploads) {
    if (removed) removed = co_await objects_.remove(context, names_.mark(upload));
  }
  if (!removed) {
    log::warning("{}: old segments stay until the next start: {}", old.uploads.front().key,
                 removed.error().message());
  }
}

}  // namespace sharestore::openstack
