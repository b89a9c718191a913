#include "backends/s3/s3_probe.h"

#include <fmt/format.h>
#include <sodium.h>

#include <array>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/s3/encoding.h"

namespace sharestore::s3 {

namespace asio = boost::asio;

namespace {

using Signature = S3Config::Signature;
using Addressing = S3Config::Addressing;

constexpr std::string_view kContent = "0123456789 a trial of sharestore";

Bytes content() { return Bytes::copy_of(kContent); }

class Probe {
 public:
  Probe(OpContext context, S3Options options, IoPool& pool, asio::any_io_executor executor)
      : context_(context),
        options_(std::move(options)),
        pool_(pool),
        executor_(std::move(executor)) {
    std::array<char, 8> random{};
    randombytes_buf(random.data(), random.size());
    key_ = options_.config.prefix + "probe/" + hex({random.data(), random.size()});
  }

  Task<ProbeReport> run();

 private:
  Task<void> find_way();
  asio::awaitable<void> try_objects();
  asio::awaitable<void> try_extras();
  asio::awaitable<void> try_multipart();
  asio::awaitable<void> clean_up();
  void tell_traits();
  void settle();

  OpContext context_;
  S3Options options_;
  IoPool& pool_;
  asio::any_io_executor executor_;
  std::string key_;
  std::unique_ptr<S3Container> container_;
  ProbeReport report_;
};

// The settings given first, then the other signature and the other addressing.
Task<void> Probe::find_way() {
  const S3Config given = options_.config;
  const bool in_host = address_of(given, given.region).in_host;
  std::vector<Addressing> addressings = {given.addressing};
  if (in_host) addressings.push_back(Addressing::path);
  if (!in_host && can_be_in_host(given)) addressings.push_back(Addressing::virtual_host);
  const Signature other_signature =
      given.signature == Signature::v4 ? Signature::v2 : Signature::v4;
  std::optional<Error> first;
  for (const Signature signature : {given.signature, other_signature}) {
    for (const Addressing addressing : addressings) {
      options_.config.signature = signature;
      options_.config.addressing = addressing;
      auto candidate = std::make_unique<S3Container>(options_, pool_, executor_);
      auto opened = co_await candidate->open(context_);
      if (opened) {
        container_ = std::move(candidate);
        co_return Status{};
      }
      if (!first) first = opened.error();
      (void)co_await candidate->close();
      // Another way of asking helps nothing then.
      if (opened.error().code() == Errc::not_found) co_return fail(std::move(*first));
    }
  }
  co_return fail(std::move(*first));
}

asio::awaitable<void> Probe::try_objects() {
  auto made = co_await container_->put(context_, key_, memory_source(content()), {});
  report_.needed("put an object, with Content-MD5", made);
  if (made) {
    report_.found("tag of an object is its MD5", made->etag == hex(md5(kContent)) ? "yes" : "no");
  }
  auto whole = co_await container_->get(context_, key_, 0, 0, Freshness::newest);
  if (whole && whole->bytes.text() != kContent) {
    whole = fail(Errc::corrupt, "other bytes came back");
  }
  report_.needed("get it", whole);
  auto part = co_await container_->get(context_, key_, 3, 4, Freshness::newest);
  if (part && part->bytes.text() != kContent.substr(3, 4)) {
    part = fail(Errc::corrupt, "other bytes came back");
  }
  report_.needed("get a range of it", part);
  auto page = co_await container_->list(context_, options_.config.prefix + "probe/", "", 10);
  if (page && (page->objects.empty() || page->objects.front().key.empty())) {
    page = fail(Errc::unavailable, "the object is not listed (yet)");
  }
  report_.tried("list it at once", page);
  report_.found("list versions of the protocol", container_->lists_version_1() ? "1 only" : "2");
}

asio::awaitable<void> Probe::try_extras() {
  S3Request many;
  many.method = "POST";
  many.query = {{"delete", ""}};
  many.body = memory_source(
      Bytes::copy_of(fmt::format("<Delete><Object><Key>{}-none</Key></Object></Delete>", key_)));
  many.effect = Effect::repeatable;
  many.root = "DeleteResult";
  const auto deleted = co_await container_->client().send(context_, std::move(many));
  report_.tried("remove many at once (not needed)", deleted.response);
  S3Request checksum;
  checksum.method = "PUT";
  checksum.key = key_;
  checksum.headers = {{"x-amz-checksum-sha256", base64(sha256(kContent))}};
  checksum.body = memory_source(content());
  checksum.effect = Effect::repeatable;
  const auto checked = co_await container_->client().send(context_, std::move(checksum));
  report_.tried("x-amz-checksum-sha256 (not needed)", checked.response);
}

asio::awaitable<void> Probe::try_multipart() {
  const std::string key = key_ + "-parts";
  auto upload = co_await container_->begin_multipart(context_, key);
  if (!upload) {
    report_.needed("objects in parts", upload);
    co_return;
  }
  Bytes large(std::vector<std::byte>(options_.min_part_bytes));
  auto first = co_await container_->upload_part(context_, *upload, 1, memory_source(large));
  auto second = co_await container_->upload_part(context_, *upload, 2, memory_source(content()));
  auto listed = co_await container_->list_multiparts(context_, key, 10);
  if (listed && listed->empty()) {
    report_.found("list unfinished uploads", "no: it is not listed");
  } else {
    report_.tried("list unfinished uploads", listed);
  }
  Result<ObjectInfo> made = fail(Errc::unavailable, "the parts were refused");
  if (first && second) {
    made = co_await container_->complete_multipart(context_, *upload, {*first, *second}, {});
  } else {
    made = fail(first ? second.error() : first.error());
  }
  report_.needed("objects in parts", made);
  if (!made) (void)co_await container_->abort_multipart(context_, *upload);
}

asio::awaitable<void> Probe::clean_up() {
  for (const char* ending : {"", "-parts"}) {
    report_.needed(fmt::format("remove {}", ending[0] == 0 ? "an object" : "an object in parts"),
                   co_await container_->remove(context_, key_ + ending));
  }
}

void Probe::tell_traits() {
  const ContainerTraits& traits = container_->traits();
  report_.found("put only if absent", traits.put_if_absent ? "yes" : "no");
  report_.found("put only if unchanged", traits.put_if_match ? "yes" : "no");
  report_.found("the bucket keeps old versions",
                traits.versioned ? "yes: they are removed too" : "no");
  const ContainerStatus status = container_->status();
  report_.found("the store's clock minus ours",
                status.clock_known ? fmt::format("{} s", status.clock_offset_seconds) : "not told");
}

void Probe::settle() {
  const S3Config& config = options_.config;
  const std::string region = container_->client().region();
  ServiceUrl url = config.url;
  report_.settings = {
      "s3.url = " + url.to_string(), "s3.bucket = " + config.bucket, "s3.region = " + region,
      fmt::format("s3.signature = {}", config.signature == Signature::v4 ? "v4" : "v2"),
      fmt::format("s3.addressing = {}", address_of(config, region).in_host ? "virtual" : "path")};
  if (!config.prefix.empty()) report_.settings.push_back("s3.prefix = " + config.prefix);
}

Task<ProbeReport> Probe::run() {
  auto way = co_await find_way();
  if (!way) co_return fail(std::move(way.error()));
  report_.usable = true;
  const S3Config& config = options_.config;
  report_.found("signature", config.signature == Signature::v4 ? "version 4" : "version 2");
  report_.found("region", container_->client().region());
  report_.found("the bucket's name goes",
                address_of(config, config.region).in_host ? "into the host" : "into the path");
  co_await try_objects();
  co_await try_extras();
  co_await try_multipart();
  tell_traits();
  co_await clean_up();
  settle();
  (void)co_await container_->close();
  co_return std::move(report_);
}

}  // namespace

Task<ProbeReport> probe(OpContext context, S3Options options, IoPool& pool,
                        asio::any_io_executor executor) {
  // What does not work must not be asked for long.
  options.retry.max_attempts = std::min(options.retry.max_attempts, 3);
  Probe probe(context, std::move(options), pool, std::move(executor));
  co_return co_await probe.run();
}

}  // namespace sharestore::s3
