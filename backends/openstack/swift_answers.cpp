#include "backends/openstack/swift_answers.h"

#include <fmt/format.h>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <charconv>
#include <utility>

#include "backends/openstack/iso_time.h"
#include "backends/openstack/json_text.h"

namespace sharestore::openstack {

namespace json = boost::json;
using http_client::Effect;
using http_client::HttpResponse;
using http_client::Judgement;
using http_client::Verdict;

namespace {

constexpr std::size_t kMaxQuotedBytes = 200;

std::string unquoted(std::string_view text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
    text = text.substr(1, text.size() - 2);
  }
  return std::string(text);
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc() || stopped != end) return std::nullopt;
  return value;
}

bool speaks_of_quota(const HttpResponse& response) {
  return response.body.text().contains("quota");
}

}  // namespace

Result<std::vector<ObjectInfo>> parse_listing(std::string_view body, std::string_view prefix,
                                              std::string_view after) {
  const auto parsed = parse_json(body);
  const json::array* entries = parsed ? parsed->if_array() : nullptr;
  if (entries == nullptr) return fail(Errc::unavailable, "the store's listing is not JSON");
  std::vector<ObjectInfo> objects;
  objects.reserve(entries->size());
  std::string last(after);
  for (const json::value& entry : *entries) {
    const json::object* fields = entry.if_object();
    ObjectInfo object;
    if (fields != nullptr) object.key = text_at(*fields, "name");
    const auto bytes = fields == nullptr ? std::nullopt : number_at(*fields, "bytes");
    if (object.key.empty() || !bytes) {
      return fail(Errc::unavailable, "the store's listing has an entry without name or size");
    }
    if (object.key <= last || !object.key.starts_with(prefix)) {
      return fail(Errc::unavailable, fmt::format("the store's listing does not go on: {} after {}",
                                                 object.key.substr(0, kMaxQuotedBytes), last));
    }
    object.size_bytes = *bytes;
    object.etag = unquoted(text_at(*fields, "slo_etag"));
    if (object.etag.empty()) object.etag = text_at(*fields, "hash");
    const auto modified = parse_iso_time(text_at(*fields, "last_modified"));
    object.modified_at = modified ? unix_seconds(*modified) : 0;
    last = object.key;
    objects.push_back(std::move(object));
  }
  return objects;
}

std::string write_manifest(const std::vector<ManifestSegment>& segments) {
  json::array manifest;
  for (const ManifestSegment& segment : segments) {
    manifest.push_back(
        {{"path", segment.path}, {"etag", segment.etag}, {"size_bytes", segment.size_bytes}});
  }
  return json::serialize(manifest);
}

Result<std::vector<ManifestSegment>> parse_manifest(std::string_view body) {
  const auto parsed = parse_json(body);
  const json::array* entries = parsed ? parsed->if_array() : nullptr;
  if (entries == nullptr) return fail(Errc::unavailable, "the object's manifest is not JSON");
  std::vector<ManifestSegment> segments;
  for (const json::value& entry : *entries) {
    const json::object* fields = entry.if_object();
    if (fields == nullptr) return fail(Errc::unavailable, "the object's manifest is not readable");
    // Swift tells "name", "hash", "bytes"; radosgw what it was given.
    ManifestSegment segment{text_at(*fields, "name"), text_at(*fields, "hash"), 0};
    if (segment.path.empty()) segment.path = text_at(*fields, "path");
    if (segment.etag.empty()) segment.etag = text_at(*fields, "etag");
    auto bytes = number_at(*fields, "bytes");
    if (!bytes) bytes = number_at(*fields, "size_bytes");
    segment.size_bytes = bytes.value_or(0);
    if (segment.path.empty()) {
      return fail(Errc::unavailable, "the object's manifest has a segment without a name");
    }
    segments.push_back(std::move(segment));
  }
  return segments;
}

SwiftLimits parse_limits(std::string_view body) {
  SwiftLimits limits;
  const auto parsed = parse_json(body);
  const json::object* top = parsed ? parsed->if_object() : nullptr;
  if (top == nullptr) return limits;
  const json::object* slo = object_at(*top, "slo");
  const json::object* swift = object_at(*top, "swift");
  const json::object* bulk = object_at(*top, "bulk_delete");
  limits.segments = slo != nullptr;
  limits.bulk_delete = bulk != nullptr;
  const auto take = [](const json::object* from, std::string_view key, auto& into,
                       std::uint64_t most) {
    if (from == nullptr) return;
    const auto value = number_at(*from, key);
    if (value && *value > 0) {
      into = static_cast<std::remove_reference_t<decltype(into)>>(std::min(*value, most));
    }
  };
  constexpr std::uint64_t kMost = 1ULL << 40;
  take(swift, "max_file_size", limits.max_object_bytes, kMost);
  take(slo, "max_manifest_segments", limits.max_segments, 1000);
  take(slo, "min_segment_size", limits.min_segment_bytes, kMost);
  take(bulk, "max_deletes_per_request", limits.max_bulk_deletes, 1000);
  return limits;
}

Status parse_bulk_delete(std::string_view body) {
  const auto parsed = parse_json(body);
  const json::object* top = parsed ? parsed->if_object() : nullptr;
  if (top == nullptr) return fail(Errc::unavailable, "the answer to a bulk deletion is not JSON");
  const std::string status = text_at(*top, "Response Status");
  const json::array* errors = array_at(*top, "Errors");
  if (status.starts_with("200") && (errors == nullptr || errors->empty())) return {};
  return fail(Errc::unavailable, fmt::format("a bulk deletion ended with {}: {}", status,
                                             errors == nullptr ? "" : json::serialize(*errors))
                                     .substr(0, kMaxQuotedBytes));
}

std::optional<ContentRange> parse_content_range(std::string_view text) {
  constexpr std::string_view kUnit = "bytes ";
  const auto slash = text.find('/');
  if (!text.starts_with(kUnit) || slash == std::string_view::npos) return std::nullopt;
  const auto whole = number(text.substr(slash + 1));
  const std::string_view span = text.substr(kUnit.size(), slash - kUnit.size());
  if (!whole) return std::nullopt;
  if (span == "*") return ContentRange{std::nullopt, 0, *whole};
  const auto dash = span.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto first = number(span.substr(0, dash));
  const auto last = number(span.substr(dash + 1));
  if (!first || !last || *last < *first || *last >= *whole) return std::nullopt;
  return ContentRange{first, *last, *whole};
}

std::string etag_of(const HttpResponse& response) { return unquoted(response.header("ETag")); }

std::int64_t modified_at(const HttpResponse& response) {
  const std::string_view stamp = response.header("X-Timestamp");
  if (const auto seconds = number(stamp.substr(0, stamp.find('.')))) {
    return static_cast<std::int64_t>(*seconds);
  }
  const auto date = http_client::parse_date(std::string(response.header("Last-Modified")));
  return date ? unix_seconds(*date) : 0;
}

Judgement judge_swift(const HttpResponse& response, Effect effect, const std::string& what) {
  const bool repeat = effect != Effect::once;
  switch (response.status) {
    case 403:
      return {Verdict::final,
              Error(Errc::forbidden,
                    what + ": the store answered 403: the account may not use the container")};
    // Rate limits of Swift's own and of clouds in front of it.
    case 429:
    case 497:
    case 498:
      return {Verdict::throttle,
              Error(Errc::busy, fmt::format("{}: the store answered {}", what, response.status))};
    case 408:
    case 499:
      return {Verdict::retry, Error(Errc::unavailable,
                                    fmt::format("{}: the store answered {}: the request came too "
                                                "slowly",
                                                what, response.status))};
    case 413:
      if (speaks_of_quota(response)) {
        return {Verdict::final, Error(Errc::no_space, what + ": the store's quota is reached")};
      }
      // Rackspace's "over limit", as its identity service says it too.
      if (!response.header("Retry-After").empty()) {
        return {Verdict::throttle,
                Error(Errc::busy, what + ": the store answered 413, over limit")};
      }
      break;
    case 422:
      return {repeat ? Verdict::retry : Verdict::final,
              Error(Errc::unavailable, what + ": the bytes arrived damaged at the store")};
    case 503: {
      const Error error(Errc::busy, what + ": the store answered 503", effect == Effect::none);
      return {repeat ? Verdict::throttle : Verdict::final, error};
    }
    default: break;
  }
  return http_client::judge_status(response, effect, what);
}

}  // namespace sharestore::openstack
