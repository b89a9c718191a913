#include "backends/s3/s3_container.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "backends/core/log.h"
#include "backends/s3/encoding.h"

namespace sharestore::s3 {

namespace asio = boost::asio;
using std::chrono::seconds;

namespace {

constexpr std::uint64_t kUnknownSize = ~std::uint64_t{0};

bool is_amazon(const S3Config& config) { return config.url.host.ends_with(".amazonaws.com"); }

ContainerTraits traits_of(const S3Config& config, std::uint64_t min_part_bytes) {
  ContainerTraits traits;
  traits.name = "cloud.s3";
  traits.min_part_bytes = min_part_bytes;
  traits.max_part_bytes = kMaxPutBytes;
  traits.max_parts = kMaxParts;
  traits.max_put_bytes = kMaxPutBytes;
  traits.max_object_bytes = kMaxObjectBytes;
  // Amazon promises it since December 2020; of others it is not known.
  traits.list_is_consistent = is_amazon(config);
  return traits;
}

std::uint64_t parse_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return text.empty() || error != std::errc() || end != text.data() + text.size() ? kUnknownSize
                                                                                  : number;
}

// "bytes 0-4/11".
struct ContentRange {
  std::uint64_t first = 0;
  std::uint64_t size = kUnknownSize;  // of the whole object
};
std::optional<ContentRange> parse_content_range(std::string_view text) {
  constexpr std::string_view kUnit = "bytes ";
  const auto dash = text.find('-');
  const auto slash = text.find('/');
  if (!text.starts_with(kUnit) || dash == std::string_view::npos ||
      slash == std::string_view::npos || slash < dash) {
    return std::nullopt;
  }
  const ContentRange range{parse_number(text.substr(kUnit.size(), dash - kUnit.size())),
                           parse_number(text.substr(slash + 1))};
  if (range.first == kUnknownSize || range.size == kUnknownSize) return std::nullopt;
  return range;
}

ObjectInfo info_of(std::string key, const HttpResponse& response, std::uint64_t size_bytes) {
  ObjectInfo info;
  info.key = std::move(key);
  info.size_bytes = size_bytes;
  info.etag = unquoted(response.header("ETag"));
  info.modified_at = parse_time(std::string(response.header("Last-Modified")));
  return info;
}

}  // namespace

S3Container::S3Container(const S3Options& options, IoPool& pool, asio::any_io_executor executor)
    : client_(options, pool, std::move(executor)),
      traits_(traits_of(options.config, options.min_part_bytes)) {}

HeaderList S3Container::object_headers() const {
  HeaderList headers;
  const S3Config& config = client_.config();
  if (!config.storage_class.empty()) {
    headers.emplace_back("x-amz-storage-class", config.storage_class);
  }
  if (!config.server_side_encryption.empty()) {
    headers.emplace_back("x-amz-server-side-encryption", config.server_side_encryption);
  }
  return headers;
}

// --- the bucket -------------------------------------------------------------------------------

Task<void> S3Container::open(OpContext context) {
  // Whoever opens a store that is down goes on without it and tries again.
  context = context.narrowed_by(kOpenBudget);
  S3Request ask;
  ask.method = "GET";
  ask.query = {{"max-keys", "1"}, {"prefix", client_.config().prefix}};
  ask.max_response_bytes = kMaxDocumentBytes;
  ask.root = "ListBucketResult";
  auto answered = co_await client_.send(context, std::move(ask));
  if (!answered.response) {
    if (answered.code == "NoSuchBucket") {
      co_return fail(Errc::not_found, answered.response.error().message());
    }
    co_return fail(std::move(answered.response.error()));
  }
  S3Request versioning;
  versioning.method = "GET";
  versioning.query = {{"versioning", ""}};
  versioning.root = "VersioningConfiguration";
  auto told = co_await client_.send(context, std::move(versioning));
  if (told.response) {
    auto versioned = parse_versioning(told.response->body.text());
    versioned_ = versioned && *versioned;
    traits_.versioned = versioned_;
  } else if (told.response.error().code() != Errc::forbidden &&
             told.response.error().code() != Errc::unsupported) {
    // A key that may not ask finds out from the answers to its removals.
    co_return fail(std::move(told.response.error()));
  }
  if (is_amazon(client_.config())) {
    traits_.put_if_absent = traits_.put_if_match = true;
  } else {
    co_await learn_conditions(context);
  }
  co_return Status{};
}

Task<void> S3Container::close() {
  co_await client_.close();
  co_return Status{};
}

Task<void> S3Container::create(OpContext context) {
  S3Request request;
  request.method = "PUT";
  request.effect = Effect::repeatable;
  const S3Config& config = client_.config();
  const std::string region = client_.region();
  // The default region must not be named.
  if (region != "us-east-1") {
    request.body = memory_source(Bytes::copy_of(location_document(region)));
  }
  auto made = co_await client_.send(context, std::move(request));
  if (made.response) co_return Status{};
  if (made.code == "BucketAlreadyOwnedByYou") {
    co_return fail(Errc::already_exists, fmt::format("bucket {} is there already", config.bucket));
  }
  co_return fail(std::move(made.response.error()));
}

ContainerStatus S3Container::status() const {
  const auto endpoint = client_.endpoint().status();
  const auto offset = client_.endpoint().clock_offset().value();
  ContainerStatus status;
  status.health.ok = endpoint.answering;
  status.clock_known = offset.has_value();
  status.clock_offset_seconds = offset.value_or(seconds(0)).count();
  status.traffic = StoreTraffic{endpoint.requests, endpoint.retries, endpoint.throttles,
                                endpoint.bytes_out, endpoint.bytes_in};
  if (!endpoint.answering) {
    status.health.sentence = endpoint.last_error;
  } else if (offset && std::chrono::abs(*offset) > http_client::kClockWarning) {
    status.health.sentence = fmt::format("the clock of this machine is {} the store's",
                                         http_client::describe_offset(*offset));
  }
  return status;
}

// --- objects ----------------------------------------------------------------------------------

Task<ObjectInfo> S3Container::put(OpContext context, std::string key, ByteSourcePtr content,
                                  PutCondition condition) {
  const std::uint64_t size_bytes = content->size();
  if (size_bytes > kMaxPutBytes) {
    co_return fail(Errc::too_large, fmt::format("{}: one put holds 5 GiB at most", key));
  }
  S3Request request;
  request.method = "PUT";
  request.key = key;
  request.headers = object_headers();
  add_condition(request.headers, condition);
  request.body = std::move(content);
  request.effect = Effect::repeatable;
  auto sent = co_await client_.send(context, std::move(request));
  if (!sent.response) {
    // A condition may have been met by a request before this one, whose answer was lost.
    const bool conditional = condition.if_absent || !condition.if_match.empty();
    if (!conditional || sent.response.error().code() != Errc::conflict) {
      co_return fail(std::move(sent.response.error()));
    }
    auto written = co_await written_object(context, key, size_bytes, sent.md5_hex);
    if (written) co_return written;
    const bool known =
        written.error().code() == Errc::conflict || written.error().code() == Errc::not_found;
    co_return fail(Errc::conflict, sent.response.error().message(), known);
  }
  const ObjectInfo info = info_of(key, *sent.response, size_bytes);
  if (tag_is_md5(*sent.response, info.etag) && info.etag != sent.md5_hex) {
    co_return fail(Errc::corrupt,
                   fmt::format("{}: the store keeps other bytes than were sent: tag {}, MD5 {}",
                               key, info.etag, sent.md5_hex),
                   false);
  }
  co_return info;
}

Task<ObjectInfo> S3Container::written_object(OpContext context, std::string key,
                                             std::uint64_t size_bytes, std::string etag) {
  auto there = co_await head(context, key, Freshness::newest);
  if (!there) co_return fail(std::move(there.error()));
  if (there->size_bytes == size_bytes && there->etag == etag) co_return there;
  co_return fail(Errc::conflict, fmt::format("{} is another object", key));
}

Task<ObjectBytes> S3Container::get(OpContext context, std::string key, std::uint64_t offset,
                                   std::uint64_t length, Freshness) {
  const bool whole = length == 0;
  S3Request request;
  request.method = "GET";
  request.key = key;
  request.max_response_bytes = kMaxWholeBytes;
  if (!whole) {
    request.headers.emplace_back("Range", fmt::format("bytes={}-{}", offset, offset + length - 1));
    request.max_response_bytes = std::max<std::size_t>(length, kMaxErrorBytes);
  }
  auto got = co_await client_.send(context, std::move(request));
  if (!got.response && (got.code == "InvalidRange" || got.status == 416)) {
    auto info = co_await head_only(context, key);
    if (!info) co_return fail(std::move(info.error()));
    co_return ObjectBytes{{}, std::move(*info)};
  }
  if (!got.response) co_return fail(std::move(got.response.error()));
  const HttpResponse& response = *got.response;
  ObjectBytes object{response.body, info_of(key, response, response.body.size())};
  if (response.status == 206) {
    const auto range = parse_content_range(response.header("Content-Range"));
    const std::uint64_t wanted =
        range && range->size > offset ? std::min(length, range->size - offset) : 0;
    if (!range || range->first != offset || object.bytes.size() != wanted) {
      co_return fail(
          Errc::io_error,
          fmt::format("{}: asked for {} bytes from {}, the store sent {} as \"{}\"", key, length,
                      offset, object.bytes.size(), response.header("Content-Range")));
    }
    object.info.size_bytes = range->size;
  } else if (!whole) {
    // The whole object although a part was asked for.
    const std::size_t begin = std::min<std::uint64_t>(offset, object.bytes.size());
    object.bytes =
        object.bytes.slice(begin, std::min<std::uint64_t>(length, object.bytes.size() - begin));
  }
  const bool complete = object.bytes.size() == object.info.size_bytes;
  if (complete && tag_is_md5(response, object.info.etag) &&
      hex(md5(object.bytes.text())) != object.info.etag) {
    co_return fail(
        Errc::io_error,
        fmt::format("{}: the bytes that arrived do not match their tag {}", key, object.info.etag));
  }
  co_return object;
}

Task<ObjectInfo> S3Container::head_only(OpContext context, std::string key) {
  S3Request request;
  request.method = "HEAD";
  request.key = key;
  auto got = co_await client_.send(context, std::move(request));
  if (!got.response) co_return fail(std::move(got.response.error()));
  const std::uint64_t size = parse_number(got.response->header("Content-Length"));
  if (size == kUnknownSize) {
    co_return fail(Errc::io_error, fmt::format("{}: the store does not tell the size", key));
  }
  co_return info_of(std::move(key), *got.response, size);
}

// HEAD answers 404 for an object and for a bucket that is away, without a word which; the first
// byte of an object comes with all that HEAD tells.
Task<ObjectInfo> S3Container::head(OpContext context, std::string key, Freshness freshness) {
  auto first = co_await get(context, key, 0, 1, freshness);
  if (first) co_return std::move(first->info);
  if (first.error().code() == Errc::too_large) co_return co_await head_only(context, key);
  co_return fail(std::move(first.error()));
}

Task<void> S3Container::remove(OpContext context, std::string key) {
  if (versioned_) co_return co_await remove_versions(context, key);
  S3Request request;
  request.method = "DELETE";
  request.key = key;
  request.effect = Effect::repeatable;
  auto removed = co_await client_.send(context, std::move(request));
  if (!removed.response) {
    if (removed.response.error().code() == Errc::not_found) co_return Status{};
    co_return fail(std::move(removed.response.error()));
  }
  const bool marked = removed.response->header("x-amz-delete-marker") == "true";
  if (!marked && removed.response->header("x-amz-version-id").empty()) co_return Status{};
  versioned_ = true;
  co_return co_await remove_versions(context, key);
}

}  // namespace sharestore::s3
