#include "backends/openstack/swift_probe.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/core/base32.h"
#include "backends/openstack/segmented_objects.h"
#include "backends/openstack/swift_objects.h"
#include "backends/openstack/swift_store.h"

namespace sharestore::openstack {

namespace asio = boost::asio;

namespace {

constexpr std::string_view kContent = "0123456789 a trial of sharestore";

Bytes content() { return Bytes::copy_of(kContent); }

std::string random_name() {
  std::array<char, 8> random{};
  randombytes_buf(random.data(), random.size());
  return base32_encode({random.data(), random.size()});
}

Status same_bytes(const Result<ObjectBytes>& got, std::string_view wanted) {
  if (!got) return fail(got.error());
  if (got->bytes.text() != wanted) return fail(Errc::corrupt, "other bytes came back");
  return {};
}

class Probe {
 public:
  Probe(OpContext context, OpenStackConfig config, IoPool& pool, asio::any_io_executor executor)
      : context_(context),
        config_(std::move(config)),
        key_(config_.prefix + "probe/" + random_name()),
        store_(std::move(executor), pool, config_),
        objects_(store_, pool, config_.container),
        segmented_(objects_, config_.prefix) {}

  Task<ProbeReport> run() {
    auto found_way = co_await find_way();
    if (found_way) {
      report_.usable = true;
      co_await try_objects();
      co_await try_segments();
      co_await try_removal();
      tell_clock();
      settle();
    }
    co_await store_.close();
    if (!found_way) co_return fail(std::move(found_way.error()));
    co_return std::move(report_);
  }

 private:
  Task<void> find_way();
  asio::awaitable<void> try_objects();
  asio::awaitable<void> try_segments();
  asio::awaitable<void> try_removal();
  void tell_clock();
  void settle();

  OpContext context_;
  const OpenStackConfig config_;
  const std::string key_;
  SwiftStore store_;
  SwiftObjects objects_;
  SegmentedObjects segmented_;
  SwiftLimits limits_;
  ProbeReport report_;
};

Task<void> Probe::find_way() {
  auto token = co_await store_.tokens().token(context_);
  if (!token) co_return fail(std::move(token.error()));
  if (const auto identity = store_.tokens().status().identity) {
    report_.found("identity service",
                  fmt::format("{} at {}", auth_name(identity->auth), identity->url));
  }
  const auto left = token->ends_at - context_.clock().now();
  report_.found(
      "a token lives",
      fmt::format("{} s", std::chrono::duration_cast<std::chrono::seconds>(left).count()));
  report_.found("object store", token->storage_url);
  auto there = co_await objects_.check_container(context_);
  if (!there) co_return there;
  auto limits = co_await objects_.limits(context_);
  if (!limits) co_return fail(std::move(limits.error()));
  limits_ = *limits;
  segmented_.set_limits(limits_);
  report_.found("largest object without segments",
                fmt::format("{} bytes", limits_.max_object_bytes));
  report_.found("segments of a large object", fmt::format("at most {}", limits_.max_segments));
  report_.found("remove many at once (not needed)", limits_.bulk_delete ? "yes" : "no");
  co_return Status{};
}

asio::awaitable<void> Probe::try_objects() {
  report_.needed("put an object, with its MD5",
                 co_await objects_.put(context_, key_, memory_source(content())));
  const auto whole = co_await objects_.get(context_, key_, 0, 0, Freshness::newest);
  report_.needed("get it", same_bytes(whole, kContent));
  const auto part = co_await objects_.get(context_, key_, 3, 4, Freshness::newest);
  report_.needed("get a range of it", same_bytes(part, kContent.substr(3, 4)));
  auto page = co_await objects_.list(context_, config_.prefix + "probe/", "", 10);
  if (page && page->objects.empty()) page = fail(Errc::unavailable, "it is not listed (yet)");
  report_.tried("list it at once", page);
}

asio::awaitable<void> Probe::try_segments() {
  const auto upload = co_await segmented_.begin(context_, key_ + "-parts");
  if (!upload) {
    report_.needed("objects in segments", upload);
    co_return;
  }
  const std::string first(std::max<std::uint64_t>(limits_.min_segment_bytes, 10), 's');
  std::vector<MultipartPart> parts;
  Status made;
  for (const std::string_view text : {std::string_view(first), kContent}) {
    auto part = co_await segmented_.upload_part(context_, *upload,
                                                static_cast<std::uint32_t>(parts.size() + 1),
                                                memory_source(Bytes::copy_of(text)));
    if (!part) made = fail(part.error());
    if (!made) break;
    parts.push_back(std::move(*part));
  }
  if (made) {
    const auto joined = co_await segmented_.complete(context_, *upload, parts);
    if (!joined) made = fail(joined.error());
  }
  if (made) {
    const auto seam =
        co_await objects_.get(context_, upload->key, first.size() - 1, 3, Freshness::newest);
    made = same_bytes(seam, "s01");
  }
  report_.needed("objects in segments", made);
  if (!made) (void)co_await segmented_.abort(context_, *upload);
}

asio::awaitable<void> Probe::try_removal() {
  for (const bool in_segments : {false, true}) {
    const std::string key = in_segments ? key_ + "-parts" : key_;
    auto old = co_await segmented_.mark_old(context_, key);
    Status removed = old ? co_await objects_.remove(context_, key) : fail(old.error());
    if (removed) co_await segmented_.remove_old(context_, *old);
    if (removed && old) {
      for (const std::string& segment : old->segments) {
        const auto left = co_await objects_.head(context_, segment, Freshness::newest);
        if (left) removed = fail(Errc::unavailable, "its segments stay");
      }
    }
    report_.needed(in_segments ? "remove it with its segments" : "remove an object", removed);
  }
}

void Probe::tell_clock() {
  const ContainerStatus status = store_.status();
  report_.found("the store's clock minus ours",
                status.clock_known ? fmt::format("{} s", status.clock_offset_seconds) : "not told");
}

void Probe::settle() {
  if (!report_.usable) return;
  if (const auto identity = store_.tokens().status().identity) {
    report_.settings.push_back("openstack.url = " + identity->url);
    report_.settings.push_back(fmt::format("openstack.auth = {}", auth_name(identity->auth)));
  }
  if (!config_.region.empty()) report_.settings.push_back("openstack.region = " + config_.region);
  report_.settings.push_back("openstack.container = " + config_.container);
  if (!config_.prefix.empty()) report_.settings.push_back("openstack.prefix = " + config_.prefix);
}

}  // namespace

Task<ProbeReport> probe(OpContext context, OpenStackConfig config, IoPool& pool,
                        asio::any_io_executor executor) {
  Probe probe(context, std::move(config), pool, std::move(executor));
  co_return co_await probe.run();
}

}  // namespace sharestore::openstack
