// Objects made of parts. Neither beginning nor completing one is idempotent, and both may be
// executed twice: what a doubled beginning leaves is swept by whoever lists uploads, and the
// outcome of a completion is settled by looking at the object.
#include <fmt/format.h>

#include <string>
#include <utility>

#include "backends/s3/encoding.h"
#include "backends/s3/s3_container.h"

namespace sharestore::s3 {

namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";

// The tag of joined parts: the MD5 of their MD5s and their number. Empty: the tags are no MD5s.
std::string joined_tag(const std::vector<MultipartPart>& parts) {
  std::string digests;
  for (const MultipartPart& part : parts) {
    if (part.etag.size() != 32) return {};
    for (std::size_t at = 0; at < part.etag.size(); at += 2) {
      const auto high = kHexDigits.find(part.etag[at]);
      const auto low = kHexDigits.find(part.etag[at + 1]);
      if (high == std::string_view::npos || low == std::string_view::npos) return {};
      digests += static_cast<char>(high << 4 | low);
    }
  }
  return fmt::format("{}-{}", hex(md5(digests)), parts.size());
}

}  // namespace

Task<Multipart> S3Container::begin_multipart(OpContext context, std::string key) {
  S3Request request;
  request.method = "POST";
  request.key = key;
  request.query = {{"uploads", ""}};
  request.headers = object_headers();
  request.body = memory_source(Bytes());
  request.effect = Effect::repeatable;
  request.root = "InitiateMultipartUploadResult";
  auto begun = co_await client_.send(context, std::move(request));
  if (!begun.response) co_return fail(std::move(begun.response.error()));
  auto id = parse_begun_multipart(begun.response->body.text());
  if (!id) co_return fail(std::move(id.error()));
  co_return Multipart{std::move(key), std::move(*id)};
}

Task<MultipartPart> S3Container::upload_part(OpContext context, Multipart upload,
                                             std::uint32_t number, ByteSourcePtr content) {
  const std::uint64_t size_bytes = content->size();
  S3Request request;
  request.method = "PUT";
  request.key = upload.key;
  request.query = {{"partNumber", std::to_string(number)}, {"uploadId", upload.id}};
  request.body = std::move(content);
  request.effect = Effect::repeatable;
  auto sent = co_await client_.send(context, std::move(request));
  if (!sent.response) co_return fail(std::move(sent.response.error()));
  MultipartPart part{number, unquoted(sent.response->header("ETag")), size_bytes};
  if (part.etag.empty()) {
    co_return fail(Errc::io_error,
                   fmt::format("{}: the store gave part {} no tag", upload.key, number));
  }
  if (tag_is_md5(*sent.response, part.etag) && part.etag != sent.md5_hex) {
    co_return fail(Errc::io_error,
                   fmt::format("{}: the store keeps other bytes of part {} than were sent",
                               upload.key, number));
  }
  co_return part;
}

Task<ObjectInfo> S3Container::complete_multipart(OpContext context, Multipart upload,
                                                 std::vector<MultipartPart> parts,
                                                 PutCondition condition) {
  std::uint64_t size_bytes = 0;
  for (const MultipartPart& part : parts) size_bytes += part.size_bytes;
  S3Request request;
  request.method = "POST";
  request.key = upload.key;
  request.query = {{"uploadId", upload.id}};
  add_condition(request.headers, condition);
  request.body = memory_source(Bytes::copy_of(complete_document(parts)));
  request.effect = Effect::repeatable;
  request.max_response_bytes = kMaxDocumentBytes;
  request.root = "CompleteMultipartUploadResult";
  // Time is kept for looking at the object when no answer comes.
  auto done =
      co_await client_.send(context.narrowed_by(context.remaining() * 3 / 4), std::move(request));
  if (done.response) {
    auto etag = parse_completed_multipart(done.response->body.text());
    if (!etag) co_return fail(std::move(etag.error()));
    ObjectInfo info;
    info.key = upload.key;
    info.size_bytes = size_bytes;
    info.etag = std::move(*etag);
    co_return info;
  }
  const Error& error = done.response.error();
  const bool gone = done.code == "NoSuchUpload";
  if (error.outcome_known() && !gone && error.code() != Errc::conflict) co_return fail(error);
  const std::string etag = joined_tag(parts);
  auto there = co_await head(context, upload.key, Freshness::newest);
  // Without MD5s only the size tells; tags of stores that make their own end in the number too.
  const bool ours = there && there->size_bytes == size_bytes &&
                    (etag.empty() ? there->etag.ends_with("-" + std::to_string(parts.size()))
                                  : there->etag == etag);
  if (ours) co_return std::move(*there);
  // The store was reached, knows no such upload, and the object is not the one.
  const bool settled = gone && (there || there.error().code() == Errc::not_found);
  co_return fail(error.code(), error.message(), settled || error.outcome_known());
}

Task<bool> S3Container::upload_is_gone(OpContext context, Multipart upload) {
  S3Request ask;
  ask.method = "GET";
  ask.key = upload.key;
  ask.query = {{"uploadId", upload.id}, {"max-parts", "1"}};
  ask.root = "ListPartsResult";
  auto listed = co_await client_.send(context, std::move(ask));
  if (listed.response) co_return false;
  if (listed.code == "NoSuchUpload") co_return true;
  // A key that may not ask must trust the removal.
  const Errc code = listed.response.error().code();
  if (code == Errc::forbidden || code == Errc::unsupported) co_return true;
  co_return fail(std::move(listed.response.error()));
}

// A part that was on its way when the upload was aborted may arrive after it.
Task<void> S3Container::abort_multipart(OpContext context, Multipart upload) {
  for (int i = 0; i < kMaxAborts; ++i) {
    S3Request request;
    request.method = "DELETE";
    request.key = upload.key;
    request.query = {{"uploadId", upload.id}};
    request.effect = Effect::repeatable;
    auto aborted = co_await client_.send(context, std::move(request));
    if (!aborted.response) {
      if (aborted.code == "NoSuchUpload") co_return Status{};
      co_return fail(std::move(aborted.response.error()));
    }
    auto gone = co_await upload_is_gone(context, upload);
    if (!gone) co_return fail(std::move(gone.error()));
    if (*gone) co_return Status{};
  }
  co_return fail(Errc::io_error,
                 fmt::format("{}: the store does not let go of upload {}", upload.key, upload.id));
}

}  // namespace sharestore::s3
