#include "backends/openstack/swift_objects.h"

#include <fmt/format.h>
#include <boost/url/encode.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>

#include <algorithm>
#include <charconv>
#include <utility>

#include "backends/core/hex.h"
#include "backends/http/body_digest.h"

namespace sharestore::openstack {

using http_client::Effect;
using http_client::HttpResponse;
using http_client::Judgement;
using http_client::Verdict;

namespace {

// Error bodies that come in place of what was asked for.
constexpr std::size_t kMinAnswerBytes = 64 * 1024;
// Entries of Swift's listings take about 250 bytes beside the name.
constexpr std::size_t kListingEntryBytes = 2048;
constexpr std::size_t kMaxManifestBytes = 8 << 20;  // Swift's own limit
constexpr std::uint32_t kMaxNotedParts = 10'000;    // ten times what a manifest may have

std::string encoded(std::string_view text) {
  return boost::urls::encode(boost::urls::string_view(text.data(), text.size()),
                             boost::urls::unreserved_chars);
}

// Of a key: '/' stays.
std::string encoded_path(std::string_view key) {
  std::string path;
  while (true) {
    const auto slash = key.find('/');
    path += encoded(key.substr(0, slash));
    if (slash == std::string_view::npos) return path;
    path += '/';
    key.remove_prefix(slash + 1);
  }
}

bool is_manifest(const HttpResponse& response) {
  const std::string_view mark = response.header("X-Static-Large-Object");
  return mark == "True" || mark == "true";
}

constexpr std::string_view kNoteHeader = "X-Object-Meta-Upload";

// "<upload>-<last part>"
std::string note_text(const ManifestNote& note) {
  return fmt::format("{}-{}", note.upload_id, note.last_part);
}

std::optional<ManifestNote> parse_note(std::string_view text) {
  const auto dash = text.rfind('-');
  if (dash == std::string_view::npos || dash == 0 || text.contains('/')) return std::nullopt;
  ManifestNote note{std::string(text.substr(0, dash)), 0};
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data() + dash + 1, end, note.last_part);
  if (error != std::errc() || stopped != end || note.last_part > kMaxNotedParts) {
    return std::nullopt;
  }
  return note;
}

void ask_newest(StoreCall& call, Freshness freshness) {
  if (freshness == Freshness::newest) call.headers.emplace_back("X-Newest", "true");
}

struct Range {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;  // 0: to the end

  bool whole() const { return offset == 0 && length == 0; }
  std::string header() const {
    return length == 0 ? fmt::format("bytes={}-", offset)
                       : fmt::format("bytes={}-{}", offset, offset + length - 1);
  }
};

// Unavailable and worth another attempt: the bytes are not those that the answer speaks of.
Judgement damaged(const std::string& what, std::string_view how) {
  return {Verdict::retry, Error(Errc::unavailable, fmt::format("{}: {}", what, how))};
}

Judgement judge_part(const HttpResponse& response, const Range& range, const std::string& what) {
  const auto told = parse_content_range(response.header("Content-Range"));
  if (!told || told->first != range.offset ||
      told->last - range.offset + 1 != response.body.size() ||
      (range.length != 0 && response.body.size() > range.length)) {
    return damaged(what, "the store answered other bytes than were asked for");
  }
  return {};
}

Judgement judge_get(const HttpResponse& response, const Range& range, const std::string& what) {
  switch (response.status) {
    case 200:
      if (!is_manifest(response) &&
          etag_of(response) != http_client::md5_hex(response.body.text())) {
        return damaged(what, "the bytes do not have the checksum that the store names");
      }
      return {};
    case 206: return judge_part(response, range, what);
    case 416: return {};
    // Swift looks for the first segment before it answers.
    case 409:
      return {Verdict::retry,
              Error(Errc::unavailable,
                    what + ": a segment of the object is missing at the store or cannot be read")};
    default: return judge_swift(response, Effect::none, what);
  }
}

}  // namespace

SwiftObjects::SwiftObjects(SwiftStore& store, IoPool& pool, std::string container)
    : store_(store), pool_(pool), container_(std::move(container)) {}

std::string SwiftObjects::target(std::string_view key, std::string_view query) const {
  std::string text = "/" + encoded(container_);
  if (!key.empty()) text += "/" + encoded_path(key);
  if (!query.empty()) text.append("?").append(query);
  return text;
}

std::optional<std::string> SwiftObjects::key_of(std::string_view path) const {
  const std::string root = "/" + container_ + "/";
  if (!path.starts_with(root)) return std::nullopt;
  return std::string(path.substr(root.size()));
}

void SwiftObjects::seen(OpContext context) {
  container_seen_ns_ = context.clock().now().time_since_epoch().count();
}

// --- the container ------------------------------------------------------------------------------

Task<void> SwiftObjects::check_container(OpContext context) {
  StoreCall call;
  call.what = "looking for the container " + container_;
  call.method = "HEAD";
  call.target = target({});
  auto answer = co_await store_.send(context, std::move(call));
  if (answer) {
    seen(context);
    co_return Status{};
  }
  if (answer.error().code() != Errc::not_found) co_return fail(std::move(answer.error()));
  co_return fail(Errc::not_found,
                 fmt::format("the account has no container {}: check openstack.container, or make "
                             "it with sharestore admin create-container",
                             container_));
}

Task<bool> SwiftObjects::create_container(OpContext context) {
  auto there = co_await check_container(context);
  if (there) co_return false;
  if (there.error().code() != Errc::not_found) co_return fail(std::move(there.error()));
  StoreCall call;
  call.what = "making the container " + container_;
  call.method = "PUT";
  call.target = target({});
  call.body = memory_source({});
  call.effect = Effect::repeatable;
  auto made = co_await store_.send(context, std::move(call));
  if (!made) co_return fail(std::move(made.error()));
  seen(context);
  co_return true;
}

Task<SwiftLimits> SwiftObjects::limits(OpContext context) {
  StoreCall call;
  call.what = "asking for the store's limits";
  call.method = "GET";
  call.target = "/info";
  call.about_service = true;
  // Operators may switch it off.
  call.judge = [](const HttpResponse& response) -> Judgement {
    if (response.status < 500) return {};
    return judge_swift(response, Effect::none, "asking for the store's limits");
  };
  auto answer = co_await store_.send(context, std::move(call));
  if (!answer) co_return fail(std::move(answer.error()));
  co_return answer->status == 200 ? parse_limits(answer->body.text()) : SwiftLimits{};
}

Task<void> SwiftObjects::confirm_absent(OpContext context, std::string key) {
  const auto age = context.clock().now().time_since_epoch() - Duration(container_seen_ns_.load());
  if (age > kContainerBelieved) {
    auto there = co_await check_container(context);
    if (!there) co_return fail(Errc::unavailable, there.error().message());
  }
  kinds_.set(key, ObjectKind::absent);
  co_return fail(Errc::not_found, "no object " + key);
}

// --- objects ------------------------------------------------------------------------------------

Task<HttpResponse> SwiftObjects::send_put(OpContext context, StoreCall call, std::string key) {
  call.what = "PUT of " + key;
  call.method = "PUT";
  call.headers.emplace_back("Content-Type", "application/octet-stream");
  call.effect = Effect::repeatable;
  kinds_.forget(key);
  auto answer = co_await store_.send(context, std::move(call));
  if (!answer && answer.error().code() == Errc::not_found) {
    co_return fail(Errc::unavailable,
                   fmt::format("PUT of {}: the account has no container {}", key, container_));
  }
  if (answer) seen(context);
  co_return answer;
}

Task<ObjectInfo> SwiftObjects::put(OpContext context, std::string key, ByteSourcePtr content) {
  const auto digest = co_await http_client::digest_body(pool_, content, false);
  if (!digest) co_return fail(digest.error());
  const std::string md5 = hex(digest->md5);
  StoreCall call;
  call.target = target(key);
  // Checked by the store before it keeps the object.
  call.headers = {{"ETag", md5}};
  call.body = content;
  auto answer = co_await send_put(context, std::move(call), key);
  if (!answer) co_return fail(std::move(answer.error()));
  const std::string etag = etag_of(*answer);
  if (etag != md5) {
    co_return fail(
        Errc::io_error,
        fmt::format("PUT of {}: the store names the checksum {}, not {}", key, etag, md5), false);
  }
  kinds_.set(key, ObjectKind::plain);
  co_return ObjectInfo{std::move(key), content->size(), etag, modified_at(*answer)};
}

Task<ObjectInfo> SwiftObjects::put_manifest(OpContext context, std::string key,
                                            std::vector<ManifestSegment> segments,
                                            ManifestNote note) {
  StoreCall call;
  call.target = target(key, "multipart-manifest=put");
  call.headers = {{std::string(kNoteHeader), note_text(note)}};
  call.body = memory_source(Bytes::copy_of(write_manifest(segments)));
  auto answer = co_await send_put(context, std::move(call), key);
  if (!answer) co_return fail(std::move(answer.error()));
  kinds_.set(key, ObjectKind::manifest);
  std::uint64_t size = 0;
  for (const ManifestSegment& segment : segments) size += segment.size_bytes;
  co_return ObjectInfo{std::move(key), size, etag_of(*answer), modified_at(*answer)};
}

Task<ObjectBytes> SwiftObjects::get(OpContext context, std::string key, std::uint64_t offset,
                                    std::uint64_t length, Freshness freshness) {
  const Range range{offset, length};
  StoreCall call;
  call.what = "GET of " + key;
  call.method = "GET";
  call.target = target(key);
  ask_newest(call, freshness);
  if (!range.whole()) call.headers.emplace_back("Range", range.header());
  call.max_response_bytes =
      length == 0 ? kMaxWholeGetBytes : std::max<std::size_t>(length, kMinAnswerBytes);
  call.judge = [range, what = call.what](const HttpResponse& response) {
    return judge_get(response, range, what);
  };
  auto answer = co_await store_.send(context, std::move(call));
  if (!answer && answer.error().code() == Errc::not_found) {
    auto absent = co_await confirm_absent(context, key);
    co_return fail(std::move(absent.error()));
  }
  if (!answer) co_return fail(std::move(answer.error()));
  seen(context);
  ObjectBytes object;
  object.info = {key, answer->body.size(), etag_of(*answer), modified_at(*answer)};
  const auto told = parse_content_range(answer->header("Content-Range"));
  if (answer->status == 416) {
    if (!told) {
      auto info = co_await head(context, std::move(key), freshness);
      if (!info) co_return fail(std::move(info.error()));
      object.info = std::move(*info);
    } else {
      object.info.size_bytes = told->whole_bytes;
    }
    co_return object;
  }
  if (answer->status == 206) object.info.size_bytes = told->whole_bytes;
  object.bytes = answer->body;
  // A store that does not know of ranges.
  if (answer->status == 200 && !range.whole()) {
    const std::uint64_t begin = std::min<std::uint64_t>(offset, answer->body.size());
    const std::uint64_t left = answer->body.size() - begin;
    object.bytes = answer->body.slice(begin, length == 0 ? left : std::min(length, left));
  }
  if (freshness == Freshness::newest) {
    kinds_.set(object.info.key, is_manifest(*answer) ? ObjectKind::manifest : ObjectKind::plain);
  }
  co_return object;
}

Task<HttpResponse> SwiftObjects::look(OpContext context, std::string key, Freshness freshness) {
  StoreCall call;
  call.what = "HEAD of " + key;
  call.method = "HEAD";
  call.target = target(key);
  ask_newest(call, freshness);
  auto answer = co_await store_.send(context, std::move(call));
  if (!answer && answer.error().code() == Errc::not_found) {
    auto absent = co_await confirm_absent(context, std::move(key));
    co_return fail(std::move(absent.error()));
  }
  if (!answer) co_return answer;
  seen(context);
  if (freshness == Freshness::newest) {
    kinds_.set(key, is_manifest(*answer) ? ObjectKind::manifest : ObjectKind::plain);
  }
  co_return answer;
}

Task<ObjectInfo> SwiftObjects::head(OpContext context, std::string key, Freshness freshness) {
  auto answer = co_await look(context, key, freshness);
  if (!answer) co_return fail(std::move(answer.error()));
  const std::string_view text = answer->header("Content-Length");
  std::uint64_t size = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    co_return fail(Errc::unavailable, "HEAD of " + key + ": the store names no size");
  }
  co_return ObjectInfo{std::move(key), size, etag_of(*answer), modified_at(*answer)};
}

Task<void> SwiftObjects::remove(OpContext context, std::string key) {
  StoreCall call;
  call.what = "DELETE of " + key;
  call.method = "DELETE";
  call.target = target(key);
  call.effect = Effect::repeatable;
  kinds_.forget(key);
  auto answer = co_await store_.send(context, std::move(call));
  if (!answer && answer.error().code() != Errc::not_found)
    co_return fail(std::move(answer.error()));
  kinds_.set(key, ObjectKind::absent);
  co_return Status{};
}

Task<void> SwiftObjects::remove_all(OpContext context, std::vector<std::string> keys,
                                    SwiftLimits limits) {
  std::optional<Error> first;
  for (std::size_t at = 0; at < keys.size();) {
    Result<void> removed;
    if (limits.bulk_delete && keys.size() - at > 1) {
      const std::size_t end = std::min(keys.size(), at + limits.max_bulk_deletes);
      std::string paths;
      for (; at < end; ++at) paths += target(keys[at]) + "\n";
      StoreCall call;
      call.what = "bulk deletion of segments";
      call.method = "POST";
      call.target = "?bulk-delete";
      call.headers = {{"Content-Type", "text/plain"}, {"Accept", "application/json"}};
      call.body = memory_source(Bytes::copy_of(paths));
      call.effect = Effect::repeatable;
      auto answer = co_await store_.send(context, std::move(call));
      removed = answer ? parse_bulk_delete(answer->body.text()) : Status(fail(answer.error()));
    } else {
      removed = co_await remove(context, keys[at++]);
    }
    if (!removed && !first) first = removed.error();
  }
  if (first) co_return fail(*first);
  co_return Status{};
}

Task<ObjectPage> SwiftObjects::list(OpContext context, std::string prefix, std::string after,
                                    std::size_t limit) {
  limit = std::min(limit, kMaxListingEntries);
  StoreCall call;
  call.what = "listing of " + prefix;
  call.method = "GET";
  call.target = target({}, fmt::format("format=json&limit={}&prefix={}&marker={}", limit,
                                       encoded(prefix), encoded(after)));
  call.headers = {{"Accept", "application/json"}};
  call.max_response_bytes = kMinAnswerBytes + limit * kListingEntryBytes;
  auto answer = co_await store_.send(context, std::move(call));
  if (!answer && answer.error().code() == Errc::not_found) {
    co_return fail(Errc::unavailable, "the account has no container " + container_);
  }
  if (!answer) co_return fail(std::move(answer.error()));
  seen(context);
  ObjectPage page;
  // 204: nothing, from servers that answer in plain text then.
  if (answer->status == 204) co_return page;
  auto objects = parse_listing(answer->body.text(), prefix, after);
  if (!objects) co_return fail(objects.error().with_context("listing of " + prefix));
  page.objects = std::move(*objects);
  // A store may give less than asked for; only an empty page is the end.
  page.more = !page.objects.empty();
  co_return page;
}

Task<Manifest> SwiftObjects::manifest(OpContext context, std::string key) {
  if (const auto known = kinds_.of(key); known && *known != ObjectKind::manifest) {
    co_return Manifest{};
  }
  auto there = co_await look(context, key, Freshness::newest);
  if (!there && there.error().code() == Errc::not_found) co_return Manifest{};
  if (!there) co_return fail(std::move(there.error()));
  if (!is_manifest(*there)) co_return Manifest{};
  if (auto note = parse_note(there->header(kNoteHeader))) co_return Manifest{std::move(note), {}};
  StoreCall call;
  call.what = "GET of the manifest of " + key;
  call.method = "GET";
  call.target = target(key, "multipart-manifest=get");
  call.headers = {{"X-Newest", "true"}};
  call.max_response_bytes = kMaxManifestBytes;
  auto answer = co_await store_.send(context, std::move(call));
  if (!answer && answer.error().code() == Errc::not_found) {
    kinds_.forget(key);
    co_return Manifest{};
  }
  if (!answer) co_return fail(std::move(answer.error()));
  // A store that tells no manifests; one without our note joins others' objects.
  if (answer->body.empty()) co_return Manifest{};
  auto segments = parse_manifest(answer->body.text());
  if (!segments) co_return fail(std::move(segments.error()));
  co_return Manifest{std::nullopt, std::move(*segments)};
}

}  // namespace sharestore::openstack
