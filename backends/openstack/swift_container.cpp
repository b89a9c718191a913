#include "backends/openstack/swift_container.h"

#include <utility>

#include "backends/openstack/segmented_objects.h"
#include "backends/openstack/swift_objects.h"
#include "backends/openstack/swift_store.h"

namespace sharestore::openstack {

namespace {

ContainerTraits swift_traits(const SwiftLimits& limits) {
  ContainerTraits traits;
  traits.name = "cloud.openstack";
  traits.min_part_bytes = limits.min_segment_bytes;
  traits.max_part_bytes = limits.max_object_bytes;
  traits.max_parts = limits.max_segments;
  traits.max_put_bytes = limits.max_object_bytes;
  traits.max_object_bytes =
      limits.segments ? limits.max_object_bytes * limits.max_segments : limits.max_object_bytes;
  traits.list_is_consistent = false;
  traits.read_may_be_stale = true;
  return traits;
}

class SwiftContainer final : public ObjectContainer {
 public:
  SwiftContainer(const OpenStackConfig& config, IoPool& pool, boost::asio::any_io_executor executor)
      : traits_(swift_traits({})),
        store_(std::move(executor), pool, config),
        objects_(store_, pool, config.container),
        segmented_(objects_, config.prefix) {}

  const ContainerTraits& traits() const override { return traits_; }

  Task<void> open(OpContext context) override {
    auto there = co_await objects_.check_container(context);
    if (!there) co_return there;
    auto limits = co_await objects_.limits(context);
    if (!limits) co_return fail(std::move(limits.error()));
    segmented_.set_limits(*limits);
    traits_ = swift_traits(*limits);
    co_return Status{};
  }

  Task<void> close() override {
    co_await store_.close();
    co_return Status{};
  }

  Task<void> create(OpContext context) override {
    auto made = co_await objects_.create_container(context);
    if (!made) co_return fail(std::move(made.error()));
    if (!*made) co_return fail(Errc::already_exists, "the container is there");
    co_return Status{};
  }

  ContainerStatus status() const override { return store_.status(); }

  Task<ObjectInfo> put(OpContext context, std::string key, ByteSourcePtr content,
                       PutCondition condition) override {
    if (auto free = unconditional(condition); !free) co_return fail(std::move(free.error()));
    auto old = co_await segmented_.mark_old(context, key);
    if (!old) co_return fail(std::move(old.error()));
    auto put = co_await objects_.put(context, std::move(key), std::move(content));
    if (put) co_await segmented_.remove_old(context, std::move(*old));
    co_return put;
  }

  Task<ObjectBytes> get(OpContext context, std::string key, std::uint64_t offset,
                        std::uint64_t length, Freshness freshness) override {
    co_return co_await objects_.get(context, std::move(key), offset, length, freshness);
  }

  Task<ObjectInfo> head(OpContext context, std::string key, Freshness freshness) override {
    co_return co_await objects_.head(context, std::move(key), freshness);
  }

  Task<void> remove(OpContext context, std::string key) override {
    auto old = co_await segmented_.mark_old(context, key);
    if (!old) co_return fail(std::move(old.error()));
    auto removed = co_await objects_.remove(context, std::move(key));
    if (removed) co_await segmented_.remove_old(context, std::move(*old));
    co_return removed;
  }

  Task<ObjectPage> list(OpContext context, std::string prefix, std::string after,
                        std::size_t limit) override {
    co_return co_await objects_.list(context, std::move(prefix), std::move(after), limit);
  }

  Task<Multipart> begin_multipart(OpContext context, std::string key) override {
    co_return co_await segmented_.begin(context, std::move(key));
  }
  Task<MultipartPart> upload_part(OpContext context, Multipart upload, std::uint32_t number,
                                  ByteSourcePtr content) override {
    co_return co_await segmented_.upload_part(context, std::move(upload), number,
                                              std::move(content));
  }
  Task<ObjectInfo> complete_multipart(OpContext context, Multipart upload,
                                      std::vector<MultipartPart> parts,
                                      PutCondition condition) override {
    if (auto free = unconditional(condition); !free) co_return fail(std::move(free.error()));
    co_return co_await segmented_.complete(context, std::move(upload), std::move(parts));
  }
  Task<void> abort_multipart(OpContext context, Multipart upload) override {
    co_return co_await segmented_.abort(context, std::move(upload));
  }
  Task<std::vector<Multipart>> list_multiparts(OpContext context, std::string prefix,
                                               std::size_t limit) override {
    co_return co_await segmented_.unfinished(context, std::move(prefix), limit);
  }

 private:
  static Status unconditional(const PutCondition& condition) {
    if (!condition.if_absent && condition.if_match.empty()) return {};
    return fail(Errc::unsupported, "Swift has no conditional put that its copies agree on");
  }

  // Written by open() only, before others may be called.
  ContainerTraits traits_;
  SwiftStore store_;
  SwiftObjects objects_;
  SegmentedObjects segmented_;
};

}  // namespace

std::unique_ptr<ObjectContainer> make_swift_container(const OpenStackConfig& config, IoPool& pool,
                                                      boost::asio::any_io_executor executor) {
  return std::make_unique<SwiftContainer>(config, pool, std::move(executor));
}

}  // namespace sharestore::openstack
