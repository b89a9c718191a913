#include "backends/object/memory_container.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "backends/core/digest.h"
#include "backends/core/hex.h"

namespace sharestore {

namespace {

struct StoredObject {
  Bytes content;
  std::string etag;
  std::int64_t modified_at = 0;
};

struct StoredMultipart {
  std::string key;
  std::map<std::uint32_t, StoredObject> parts;
};

std::string etag_of(const Bytes& content) { return hex(as_text(blake2b_256(content.text()))); }

Result<Bytes> load(const ByteSource& source) {
  if (auto whole = source.in_memory()) return *whole;
  std::vector<std::byte> bytes(source.size());
  auto read = source.read(0, bytes);
  if (!read) return fail(std::move(read.error()));
  return Bytes(std::move(bytes));
}

class MemoryContainer final : public ObjectContainer {
 public:
  MemoryContainer(MemoryContainerOptions options, Clock& clock)
      : options_(std::move(options)), clock_(clock) {}

  const ContainerTraits& traits() const override { return options_.traits; }
  Task<void> open(OpContext) override { co_return Status{}; }
  Task<void> close() override { co_return Status{}; }
  Task<void> create(OpContext) override { co_return Status{}; }
  ContainerStatus status() const override {
    return {.health = {}, .clock_offset_seconds = 0, .clock_known = true};
  }

  Task<ObjectInfo> put(OpContext, std::string key, ByteSourcePtr content,
                       PutCondition condition) override {
    auto bytes = load(*content);
    if (!bytes) co_return fail(std::move(bytes.error()));
    const std::lock_guard hold(mutex_);
    co_return place(key, std::move(*bytes), condition);
  }

  Task<ObjectBytes> get(OpContext, std::string key, std::uint64_t offset, std::uint64_t length,
                        Freshness) override {
    const std::lock_guard hold(mutex_);
    const auto found = objects_.find(key);
    if (found == objects_.end()) co_return fail(Errc::not_found, "no object " + key);
    const Bytes& content = found->second.content;
    ObjectBytes answer;
    answer.info = info_of(*found);
    const std::uint64_t begin = std::min<std::uint64_t>(offset, content.size());
    const std::uint64_t left = content.size() - begin;
    answer.bytes = content.slice(begin, length == 0 ? left : std::min(length, left));
    co_return answer;
  }

  Task<ObjectInfo> head(OpContext, std::string key, Freshness) override {
    const std::lock_guard hold(mutex_);
    const auto found = objects_.find(key);
    if (found == objects_.end()) co_return fail(Errc::not_found, "no object " + key);
    co_return info_of(*found);
  }

  Task<void> remove(OpContext, std::string key) override {
    const std::lock_guard hold(mutex_);
    const auto found = objects_.find(key);
    if (found == objects_.end()) co_return Status{};
    used_bytes_ -= found->second.content.size();
    objects_.erase(found);
    co_return Status{};
  }

  Task<ObjectPage> list(OpContext, std::string prefix, std::string after,
                        std::size_t limit) override {
    const std::lock_guard hold(mutex_);
    ObjectPage page;
    auto at = after < prefix ? objects_.lower_bound(prefix) : objects_.upper_bound(after);
    for (; at != objects_.end() && at->first.starts_with(prefix); ++at) {
      if (page.objects.size() == limit) {
        page.more = true;
        break;
      }
      page.objects.push_back(info_of(*at));
    }
    co_return page;
  }

  Task<Multipart> begin_multipart(OpContext, std::string key) override {
    const std::lock_guard hold(mutex_);
    Multipart upload{key, fmt::format("upload-{}", ++last_id_)};
    multiparts_[upload.id].key = std::move(key);
    co_return upload;
  }

  Task<MultipartPart> upload_part(OpContext, Multipart upload, std::uint32_t number,
                                  ByteSourcePtr content) override {
    auto bytes = load(*content);
    if (!bytes) co_return fail(std::move(bytes.error()));
    const std::lock_guard hold(mutex_);
    const auto found = multiparts_.find(upload.id);
    if (found == multiparts_.end()) co_return fail(Errc::not_found, "no upload " + upload.id);
    StoredObject& part = found->second.parts[number];
    if (used_bytes_ - part.content.size() + bytes->size() > options_.max_bytes) {
      co_return fail(Errc::no_space, "the memory container is full");
    }
    used_bytes_ += bytes->size() - part.content.size();
    part.etag = etag_of(*bytes);
    part.content = std::move(*bytes);
    co_return MultipartPart{number, part.etag, part.content.size()};
  }

  Task<ObjectInfo> complete_multipart(OpContext, Multipart upload, std::vector<MultipartPart> parts,
                                      PutCondition condition) override {
    const std::lock_guard hold(mutex_);
    const auto found = multiparts_.find(upload.id);
    if (found == multiparts_.end()) co_return fail(Errc::not_found, "no upload " + upload.id);
    std::vector<std::byte> whole;
    std::uint32_t last = 0;
    for (const MultipartPart& part : parts) {
      const auto stored = found->second.parts.find(part.number);
      if (part.number <= last || stored == found->second.parts.end() ||
          stored->second.etag != part.etag) {
        co_return fail(Errc::invalid_argument, "parts missing, changed or out of order");
      }
      last = part.number;
      const ByteSpan bytes = stored->second.content.span();
      whole.insert(whole.end(), bytes.begin(), bytes.end());
    }
    drop_parts(found->second);
    const std::string key = found->second.key;
    multiparts_.erase(found);
    co_return place(key, Bytes(std::move(whole)), condition);
  }

  Task<void> abort_multipart(OpContext, Multipart upload) override {
    const std::lock_guard hold(mutex_);
    const auto found = multiparts_.find(upload.id);
    if (found == multiparts_.end()) co_return Status{};
    drop_parts(found->second);
    multiparts_.erase(found);
    co_return Status{};
  }

  Task<std::vector<Multipart>> list_multiparts(OpContext, std::string prefix,
                                               std::size_t limit) override {
    const std::lock_guard hold(mutex_);
    std::vector<Multipart> found;
    for (const auto& [id, upload] : multiparts_) {
      if (found.size() < limit && upload.key.starts_with(prefix)) found.push_back({upload.key, id});
    }
    co_return found;
  }

 private:
  using Objects = std::map<std::string, StoredObject, std::less<>>;

  static ObjectInfo info_of(const Objects::value_type& entry) {
    return {entry.first, entry.second.content.size(), entry.second.etag, entry.second.modified_at};
  }

  void drop_parts(const StoredMultipart& upload) {
    for (const auto& [number, part] : upload.parts) used_bytes_ -= part.content.size();
  }

  Result<ObjectInfo> place(const std::string& key, Bytes content, const PutCondition& condition) {
    const auto old = objects_.find(key);
    const bool there = old != objects_.end();
    if (condition.if_absent && there) return fail(Errc::conflict, key + " exists");
    if (!condition.if_match.empty() && (!there || old->second.etag != condition.if_match)) {
      return fail(Errc::conflict, key + " is another version");
    }
    const std::uint64_t before = there ? old->second.content.size() : 0;
    if (used_bytes_ - before + content.size() > options_.max_bytes) {
      return fail(Errc::no_space, "the memory container is full");
    }
    used_bytes_ += content.size() - before;
    StoredObject& object = objects_[key];
    object.etag = etag_of(content);
    object.content = std::move(content);
    object.modified_at = unix_seconds(clock_.utc_now());
    return ObjectInfo{key, object.content.size(), object.etag, object.modified_at};
  }

  const MemoryContainerOptions options_;
  Clock& clock_;
  std::mutex mutex_;
  Objects objects_;
  std::map<std::string, StoredMultipart> multiparts_;
  std::uint64_t used_bytes_ = 0;
  std::uint64_t last_id_ = 0;
};

}  // namespace

std::unique_ptr<ObjectContainer> make_memory_container(MemoryContainerOptions options,
                                                       Clock& clock) {
  return std::make_unique<MemoryContainer>(std::move(options), clock);
}

}  // namespace sharestore
