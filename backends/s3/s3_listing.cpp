// What lies in a bucket: objects, versions, unfinished uploads. Listings are read page by page, and
// every page must lead on.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "backends/s3/s3_container.h"

namespace sharestore::s3 {

namespace {

// One answer has at most so many, whatever is asked for.
constexpr std::size_t kPageObjects = 1000;

std::unexpected<Error> stuck(const std::string& what) {
  return fail(Errc::io_error, fmt::format("the store's listing of {} does not advance", what));
}

}  // namespace

Task<Listing> S3Container::list_page(OpContext context, std::string prefix, std::string after,
                                     std::size_t limit, bool version_1) {
  S3Request request;
  request.method = "GET";
  request.query = {{"prefix", prefix},
                   {"max-keys", std::to_string(std::min(limit, kPageObjects))},
                   {"encoding-type", "url"}};
  if (!version_1) request.query.emplace_back("list-type", "2");
  if (!after.empty()) request.query.emplace_back(version_1 ? "marker" : "start-after", after);
  request.max_response_bytes = kMaxDocumentBytes;
  request.root = "ListBucketResult";
  auto got = co_await client_.send(context, std::move(request));
  if (!got.response) co_return fail(std::move(got.response.error()));
  co_return parse_listing(got.response->body.text());
}

Task<ObjectPage> S3Container::list(OpContext context, std::string prefix, std::string after,
                                   std::size_t limit) {
  auto listing = co_await list_page(context, prefix, after, limit, lists_version_1_);
  const bool refused = !listing && (listing.error().code() == Errc::unsupported ||
                                    listing.error().code() == Errc::invalid_argument);
  if (!lists_version_1_ && (refused || (listing && listing->is_version_1))) {
    // An old store, which ignores or refuses what only version 2 knows.
    listing = co_await list_page(context, prefix, after, limit, true);
    if (listing) lists_version_1_ = true;
  }
  if (!listing) co_return fail(std::move(listing.error()));
  ObjectPage& page = listing->page;
  const std::string* last = &after;
  for (const ObjectInfo& object : page.objects) {
    if (object.key <= *last || !object.key.starts_with(prefix)) co_return stuck(prefix);
    last = &object.key;
  }
  if (page.more && page.objects.empty()) co_return stuck(prefix);
  co_return std::move(page);
}

Task<void> S3Container::remove_versions(OpContext context, std::string key) {
  std::string next_key;
  std::string next_version;
  for (int pages = 0; pages < kMaxPages; ++pages) {
    S3Request ask;
    ask.method = "GET";
    ask.query = {{"versions", ""}, {"prefix", key}, {"encoding-type", "url"}};
    if (!next_key.empty()) ask.query.emplace_back("key-marker", next_key);
    if (!next_version.empty()) ask.query.emplace_back("version-id-marker", next_version);
    ask.max_response_bytes = kMaxDocumentBytes;
    ask.root = "ListVersionsResult";
    auto got = co_await client_.send(context, std::move(ask));
    if (!got.response) co_return fail(std::move(got.response.error()));
    auto page = parse_versions(got.response->body.text());
    if (!page) co_return fail(std::move(page.error()));
    for (const ObjectVersion& version : page->versions) {
      // The prefix share/1 also finds share/10.
      if (version.key != key) continue;
      S3Request request;
      request.method = "DELETE";
      request.key = key;
      request.query = {{"versionId", version.version_id}};
      request.effect = Effect::repeatable;
      auto removed = co_await client_.send(context, std::move(request));
      if (!removed.response && removed.response.error().code() != Errc::not_found) {
        co_return fail(std::move(removed.response.error()));
      }
    }
    // In the order of keys, so that the key itself comes before those that it begins.
    if (!page->more || page->next_key > key) co_return Status{};
    if (page->next_key == next_key && page->next_version == next_version) co_return stuck(key);
    next_key = std::move(page->next_key);
    next_version = std::move(page->next_version);
  }
  co_return stuck(key);
}

Task<std::vector<Multipart>> S3Container::list_multiparts(OpContext context, std::string prefix,
                                                          std::size_t limit) {
  std::vector<Multipart> uploads;
  std::string next_key;
  std::string next_upload;
  for (int pages = 0; pages < kMaxPages; ++pages) {
    S3Request ask;
    ask.method = "GET";
    ask.query = {{"uploads", ""},
                 {"prefix", prefix},
                 {"max-uploads", std::to_string(std::min(limit, kPageObjects))},
                 {"encoding-type", "url"}};
    if (!next_key.empty()) ask.query.emplace_back("key-marker", next_key);
    if (!next_upload.empty()) ask.query.emplace_back("upload-id-marker", next_upload);
    ask.max_response_bytes = kMaxDocumentBytes;
    ask.root = "ListMultipartUploadsResult";
    auto got = co_await client_.send(context, std::move(ask));
    if (!got.response) co_return fail(std::move(got.response.error()));
    auto page = parse_uploads(got.response->body.text());
    if (!page) co_return fail(std::move(page.error()));
    for (Multipart& upload : page->uploads) {
      if (uploads.size() == limit) co_return uploads;
      // Some stores ignore the prefix; what is not below it is not ours.
      if (upload.key.starts_with(prefix)) uploads.push_back(std::move(upload));
    }
    if (!page->more || uploads.size() == limit) co_return uploads;
    if (page->next_key.empty() ||
        (page->next_key == next_key && page->next_upload == next_upload)) {
      co_return stuck("uploads under " + prefix);
    }
    next_key = std::move(page->next_key);
    next_upload = std::move(page->next_upload);
  }
  co_return stuck("uploads under " + prefix);
}

}  // namespace sharestore::s3
