// What the fake store does once a request has been accepted.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <regex>

#include "backends/s3/encoding.h"
#include "tests/support/fake_s3.h"

namespace sharestore::test {

using s3::md5;
using s3::uri_encode;

namespace {

FakeReply reply(int status, std::string body = "", FakeRequest::Pairs headers = {}) {
  FakeReply made;
  made.status = status;
  made.body = std::move(body);
  made.headers = std::move(headers);
  return made;
}

std::string element(const std::string& name, const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&': escaped += "&amp;"; break;
      case '<': escaped += "&lt;"; break;
      case '"': escaped += "&quot;"; break;
      default: escaped += c;
    }
  }
  return fmt::format("<{0}>{1}</{0}>", name, escaped);
}

FakeReply document(const std::string& root, const std::string& inside) {
  return reply(200,
               fmt::format("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{0} "
                           "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{1}</{0}>",
                           root, inside),
               {{"Content-Type", "application/xml"}});
}

std::string iso_time(std::int64_t at) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%S.000Z}", fmt::gmtime(static_cast<std::time_t>(at)));
}

std::string http_time(std::int64_t at) {
  return fmt::format("{:%a, %d %b %Y %H:%M:%S GMT}", fmt::gmtime(static_cast<std::time_t>(at)));
}

std::uint64_t number_of(const std::string& version) { return std::stoull(version.substr(1)); }

std::size_t wanted(const FakeRequest& request, const char* parameter, std::size_t page_size) {
  const std::string text = request.parameter(parameter);
  return text.empty() ? page_size : std::min<std::size_t>(std::stoull(text), page_size);
}

}  // namespace

FakeReply FakeS3::serve_bucket(const FakeRequest& request) {
  if (request.method == "PUT") return create_bucket(request);
  if (request.method != "GET") return error(405, "MethodNotAllowed");
  if (request.has_parameter("versioning")) {
    return document("VersioningConfiguration",
                    options_.versioned ? element("Status", "Enabled") : "");
  }
  if (request.has_parameter("uploads")) return list_uploads(request);
  if (request.has_parameter("versions")) return list_versions(request);
  return list(request);
}

FakeReply FakeS3::create_bucket(const FakeRequest& request) {
  if (options_.bucket_is_there) return error(409, "BucketAlreadyOwnedByYou");
  const std::string region = options_.region == "us-east-1" ? "" : options_.region;
  std::smatch match;
  static const std::regex form("<LocationConstraint>([^<]*)</LocationConstraint>");
  const bool told = std::regex_search(request.body, match, form);
  if ((told ? match[1].str() : "") != region) {
    return error(400, "IllegalLocationConstraintException");
  }
  options_.bucket_is_there = true;
  return reply(200);
}

FakeReply FakeS3::list(const FakeRequest& request) {
  const bool version_2 = request.parameter("list-type") == "2" && !options_.only_list_version_1;
  const std::string prefix = request.parameter("prefix");
  const std::string after = request.parameter(version_2 ? "start-after" : "marker");
  const bool encoded = request.parameter("encoding-type") == "url";
  const std::size_t limit = wanted(request, "max-keys", options_.page_size);
  std::string contents;
  std::size_t count = 0;
  bool more = false;
  auto begin = after < prefix ? objects_.lower_bound(prefix) : objects_.upper_bound(after);
  for (auto at = begin; at != objects_.end(); ++at) {
    if (!at->first.starts_with(prefix)) break;
    const Version* found = current(at->first);
    if (found == nullptr) continue;
    if (count == limit) {
      more = true;
      break;
    }
    ++count;
    contents += "<Contents>" + element("Key", encoded ? uri_encode(at->first, true) : at->first) +
                element("LastModified", iso_time(found->modified_at)) +
                element("ETag", "\"" + found->etag + "\"") +
                element("Size", std::to_string(found->body.size())) + "</Contents>";
  }
  std::string head =
      element("Name", options_.bucket) + element("IsTruncated", more ? "true" : "false");
  if (encoded) head += element("EncodingType", "url");
  head += version_2 ? element("KeyCount", std::to_string(count)) : element("Marker", after);
  return document("ListBucketResult", head + contents);
}

FakeReply FakeS3::list_versions(const FakeRequest& request) {
  const std::string prefix = request.parameter("prefix");
  const std::string key_marker = request.parameter("key-marker");
  const std::string id_marker = request.parameter("version-id-marker");
  std::string contents;
  std::size_t count = 0;
  bool more = false;
  std::string last_key;
  std::string last_id;
  for (const auto& [key, versions] : objects_) {
    if (!key.starts_with(prefix)) continue;
    for (auto at = versions.rbegin(); at != versions.rend(); ++at) {
      // Newest first; what the marker names may have gone meanwhile.
      if (key < key_marker || (key == key_marker && number_of(at->id) >= number_of(id_marker))) {
        continue;
      }
      if (count == options_.page_size) {
        more = true;
        break;
      }
      ++count;
      last_key = key;
      last_id = at->id;
      const std::string name = at->removed ? "DeleteMarker" : "Version";
      contents += "<" + name + ">" + element("Key", uri_encode(key, true)) +
                  element("VersionId", at->id) + "</" + name + ">";
    }
    if (more) break;
  }
  std::string head =
      element("EncodingType", "url") + element("IsTruncated", more ? "true" : "false");
  if (more) {
    head += element("NextKeyMarker", uri_encode(last_key, true)) +
            element("NextVersionIdMarker", last_id);
  }
  return document("ListVersionsResult", head + contents);
}

FakeReply FakeS3::list_uploads(const FakeRequest& request) {
  const std::string prefix = request.parameter("prefix");
  std::vector<std::pair<std::string, std::string>> found;
  for (const auto& [id, upload] : uploads_) {
    if (upload.key.starts_with(prefix)) found.emplace_back(upload.key, id);
  }
  std::ranges::sort(found);
  const std::pair after{request.parameter("key-marker"), request.parameter("upload-id-marker")};
  const std::size_t limit = wanted(request, "max-uploads", options_.page_size);
  std::string contents;
  std::pair<std::string, std::string> last;
  std::size_t count = 0;
  bool more = false;
  for (const auto& upload : found) {
    if (upload <= after) continue;
    if (count == limit) {
      more = true;
      break;
    }
    ++count;
    last = upload;
    contents += "<Upload>" + element("Key", uri_encode(upload.first, true)) +
                element("UploadId", upload.second) + "</Upload>";
  }
  std::string head =
      element("EncodingType", "url") + element("IsTruncated", more ? "true" : "false");
  if (more) {
    head += element("NextKeyMarker", uri_encode(last.first, true)) +
            element("NextUploadIdMarker", last.second);
  }
  return document("ListMultipartUploadsResult", head + contents);
}

// --- objects ----------------------------------------------------------------------------------

FakeReply FakeS3::serve_object(const FakeRequest& request, const std::string& key) {
  if (request.has_parameter("uploads") || request.has_parameter("uploadId")) {
    return serve_upload(request, key);
  }
  if (request.method == "PUT") return put(request, key);
  if (request.method == "GET" || request.method == "HEAD") return get(request, key);
  if (request.method == "DELETE") return remove(request, key);
  return error(405, "MethodNotAllowed");
}

std::optional<FakeReply> FakeS3::check_condition(const FakeRequest& request,
                                                 const std::string& key) {
  if (!options_.conditions) return std::nullopt;
  const Version* there = current(key);
  if (request.has_header("if-none-match") && there != nullptr) {
    return error(412, "PreconditionFailed");
  }
  if (!request.has_header("if-match")) return std::nullopt;
  if (there == nullptr) return error(404, "NoSuchKey");
  const std::string quote = options_.literal_if_match ? "" : "\"";
  if (request.header("if-match") != quote + there->etag + quote) {
    return error(412, "PreconditionFailed");
  }
  return std::nullopt;
}

FakeReply FakeS3::put(const FakeRequest& request, const std::string& key) {
  if (auto refusal = check_condition(request, key)) return *refusal;
  store(key, request.body, hex(md5(request.body)));
  FakeReply done = reply(200, "", {{"ETag", "\"" + current(key)->etag + "\""}});
  if (options_.versioned) done.headers.emplace_back("x-amz-version-id", current(key)->id);
  return done;
}

FakeReply FakeS3::get(const FakeRequest& request, const std::string& key) {
  const Version* there = current(key);
  if (there == nullptr) return error(404, "NoSuchKey");
  FakeReply done = reply(
      200, "",
      {{"ETag", "\"" + there->etag + "\""}, {"Last-Modified", http_time(there->modified_at)}});
  if (!request.has_header("range")) {
    done.body = there->body;
    return done;
  }
  static const std::regex form("bytes=([0-9]+)-([0-9]+)");
  std::smatch match;
  const std::string range = request.header("range");
  if (!std::regex_match(range, match, form)) return error(400, "InvalidArgument");
  const std::size_t first = std::stoull(match[1]);
  const std::size_t last = std::min<std::size_t>(std::stoull(match[2]), there->body.size() - 1);
  if (first >= there->body.size()) return error(416, "InvalidRange");
  done.status = 206;
  done.body = there->body.substr(first, last - first + 1);
  done.headers.emplace_back("Content-Range",
                            fmt::format("bytes {}-{}/{}", first, last, there->body.size()));
  return done;
}

FakeReply FakeS3::remove(const FakeRequest& request, const std::string& key) {
  const auto found = objects_.find(key);
  if (request.has_parameter("versionId")) {
    if (found == objects_.end()) return error(404, "NoSuchVersion");
    std::erase_if(found->second, [&](const Version& version) {
      return version.id == request.parameter("versionId");
    });
    if (found->second.empty()) objects_.erase(found);
    return reply(204);
  }
  if (!options_.versioned) {
    if (found != objects_.end()) objects_.erase(found);
    return reply(204);
  }
  Version marker;
  marker.id = fmt::format("V{}", next_id_++);
  marker.removed = true;
  objects_[key].push_back(marker);
  return reply(204, "", {{"x-amz-delete-marker", "true"}, {"x-amz-version-id", marker.id}});
}

// --- uploads in parts -------------------------------------------------------------------------

FakeReply FakeS3::serve_upload(const FakeRequest& request, const std::string& key) {
  if (request.method == "POST" && request.has_parameter("uploads")) {
    const std::string id = fmt::format("U{}+/=", next_id_++);
    uploads_[id].key = key;
    return document(
        "InitiateMultipartUploadResult",
        element("Bucket", options_.bucket) + element("Key", key) + element("UploadId", id));
  }
  const auto found = uploads_.find(request.parameter("uploadId"));
  if (found == uploads_.end() || found->second.key != key) return error(404, "NoSuchUpload");
  Upload& upload = found->second;
  if (request.method == "PUT") {
    const auto number = static_cast<std::uint32_t>(std::stoul(request.parameter("partNumber")));
    if (number < 1 || number > 10'000) return error(400, "InvalidArgument");
    upload.parts[number] = {"", false, request.body, hex(md5(request.body)), 0};
    return reply(200, "", {{"ETag", "\"" + upload.parts[number].etag + "\""}});
  }
  if (request.method == "DELETE") {
    uploads_.erase(found);
    return reply(204);
  }
  if (request.method == "GET") return document("ListPartsResult", element("Key", key));
  if (request.method == "POST") return complete(request, key, upload);
  return error(405, "MethodNotAllowed");
}

FakeReply FakeS3::complete(const FakeRequest& request, const std::string& key, Upload& upload) {
  static const std::regex form(
      "<Part><PartNumber>([0-9]+)</PartNumber><ETag>(?:&quot;|\")([0-9a-f]+)(?:&quot;|\")</ETag>"
      "</Part>");
  if (!request.body.starts_with("<CompleteMultipartUpload>")) return error(400, "MalformedXML");
  std::string body;
  std::string digests;
  std::uint32_t last = 0;
  std::size_t count = 0;
  std::size_t last_bytes = options_.min_part_bytes;
  for (std::sregex_iterator at(request.body.begin(), request.body.end(), form), end; at != end;
       ++at) {
    const auto number = static_cast<std::uint32_t>(std::stoul((*at)[1]));
    const auto part = upload.parts.find(number);
    if (number <= last) return error(400, "InvalidPartOrder");
    if (part == upload.parts.end() || part->second.etag != (*at)[2])
      return error(400, "InvalidPart");
    if (last_bytes < options_.min_part_bytes) return error(400, "EntityTooSmall");
    last = number;
    last_bytes = part->second.body.size();
    ++count;
    body += part->second.body;
    digests += md5(part->second.body);
  }
  if (count == 0) return error(400, "MalformedXML");
  if (auto refusal = check_condition(request, key)) return *refusal;
  const std::string etag = fmt::format("{}-{}", hex(md5(digests)), count);
  store(key, std::move(body), etag);
  uploads_.erase(request.parameter("uploadId"));
  return document("CompleteMultipartUploadResult", element("Bucket", options_.bucket) +
                                                       element("Key", key) +
                                                       element("ETag", "\"" + etag + "\""));
}

}  // namespace sharestore::test
