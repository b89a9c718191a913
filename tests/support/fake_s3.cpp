#include "tests/support/fake_s3.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <regex>
#include <set>
#include <sstream>

#include "backends/http/http_message.h"
#include "backends/s3/encoding.h"

namespace sharestore::test {

using s3::base64;
using s3::hmac_sha1;
using s3::hmac_sha256;
using s3::md5;
using s3::sha256;
using s3::uri_encode;

namespace {

constexpr std::chrono::minutes kMaxSkew{15};
constexpr std::size_t kMaxKeyBytes = 1024;

FakeReply reply(int status, std::string body = "", FakeRequest::Pairs headers = {}) {
  FakeReply made;
  made.status = status;
  made.body = std::move(body);
  made.headers = std::move(headers);
  return made;
}

std::string iso_time(std::int64_t at) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%S.000Z}", fmt::gmtime(static_cast<std::time_t>(at)));
}

std::vector<std::string> split(const std::string& text, char mark) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, mark);) parts.push_back(part);
  return parts;
}

// As it came: names and values still encoded.
std::vector<std::string> raw_query(const FakeRequest& request) {
  const auto mark = request.target.find('?');
  auto parts = mark == std::string::npos ? std::vector<std::string>()
                                         : split(request.target.substr(mark + 1), '&');
  for (std::string& part : parts) {
    if (part.find('=') == std::string::npos) part += '=';
  }
  return parts;
}

}  // namespace

FakeS3::FakeS3(Clock& clock, FakeS3Options options) : clock_(clock), options_(std::move(options)) {
  server_ = std::make_unique<FakeHttpServer>(
      [this](const FakeRequest& request) { return serve(request); }, options_.tls);
}

FakeReply FakeS3::error(int status, const std::string& code, const std::string& more) {
  return reply(status,
               fmt::format("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code>"
                           "<Message>the fake refuses</Message>{}<RequestId>R1</RequestId></Error>",
                           code, more),
               {{"Content-Type", "application/xml"}});
}

WallTime FakeS3::now() const { return clock_.utc_now() + options_.clock_ahead; }

void FakeS3::set(const std::function<void(FakeS3Options&)>& change) {
  const std::lock_guard hold(mutex_);
  change(options_);
}

FakeReply FakeS3::serve(const FakeRequest& request) {
  const std::lock_guard hold(mutex_);
  log_.push_back(request.method + " " + request.target);
  std::optional<FakeReply> given;
  if (instead) given = instead(request);
  FakeReply made = given ? std::move(*given) : execute(request);
  made.headers.emplace_back("x-amz-request-id", fmt::format("FAKE{}", log_.size()));
  made.headers.emplace_back("Date",
                            fmt::format("{:%a, %d %b %Y %H:%M:%S GMT}",
                                        fmt::gmtime(std::chrono::system_clock::to_time_t(now()))));
  if (afterwards && !given) afterwards(request, made);
  return made;
}

FakeReply FakeS3::execute(const FakeRequest& request) {
  const Target target = target_of(request);
  if (auto refusal = refuse(request, target)) return *refusal;
  if (target.key.size() > kMaxKeyBytes) return error(400, "KeyTooLongError");
  const bool creates = target.key.empty() && request.method == "PUT";
  if (target.bucket != options_.bucket || (!options_.bucket_is_there && !creates)) {
    return error(404, "NoSuchBucket");
  }
  return target.key.empty() ? serve_bucket(request) : serve_object(request, target.key);
}

FakeS3::Target FakeS3::target_of(const FakeRequest& request) const {
  const std::string host = request.header("host");
  const std::string path = request.path();
  if (host.starts_with(options_.bucket + ".")) return {options_.bucket, path.substr(1)};
  const auto slash = path.find('/', 1);
  if (slash == std::string::npos) return {path.substr(1), ""};
  return {path.substr(1, slash - 1), path.substr(slash + 1)};
}

// --- what is checked of every request ---------------------------------------------------------

std::optional<FakeReply> FakeS3::refuse(const FakeRequest& request, const Target& target) {
  if (request.header("host").empty()) return error(400, "MissingHost");
  const bool reads_object = request.method == "GET" && !target.key.empty();
  if (reads_object && options_.public_reads) return std::nullopt;
  if (request.header("x-amz-security-token") != options_.token) return error(403, "InvalidToken");
  if (auto refusal = check_body(request)) return refusal;
  const std::string authorization = request.header("authorization");
  if (authorization.starts_with("AWS4-HMAC-SHA256 ")) return check_v4(request);
  if (authorization.starts_with("AWS ")) return check_v2(request, target);
  const bool is_public = options_.public_reads && request.method == "GET" && !target.key.empty();
  if (is_public && authorization.empty()) return std::nullopt;
  return error(403, "AccessDenied");
}

std::optional<FakeReply> FakeS3::check_body(const FakeRequest& request) {
  const bool has_body = request.has_header("content-length");
  if (!has_body && (request.method == "PUT" || request.method == "POST")) {
    // Creating a bucket in the default region has none.
    return target_of(request).key.empty() ? std::nullopt
                                          : std::optional(error(411, "MissingContentLength"));
  }
  if (!has_body) return std::nullopt;
  const std::string digest = request.header("content-md5");
  if (digest.size() != 24) return error(400, "InvalidDigest");
  if (digest != base64(md5(request.body))) return error(400, "BadDigest");
  return std::nullopt;
}

std::optional<FakeReply> FakeS3::check_time(WallTime signed_at) {
  if (std::chrono::abs(now() - signed_at) <= kMaxSkew) return std::nullopt;
  return error(403, "RequestTimeTooSkewed",
               fmt::format("<ServerTime>{}</ServerTime>", iso_time(unix_seconds(now()))));
}

std::optional<FakeReply> FakeS3::check_v4(const FakeRequest& request) {
  static const std::regex form(
      "AWS4-HMAC-SHA256 Credential=([^/]+)/([0-9]{8})/([^/]+)/s3/aws4_request, "
      "SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})");
  std::smatch match;
  const std::string authorization = request.header("authorization");
  if (!std::regex_match(authorization, match, form)) {
    return error(400, "AuthorizationHeaderMalformed");
  }
  if (match[1] != options_.access_key_id) return error(403, "InvalidAccessKeyId");
  if (match[3] != options_.region) {
    return error(400, "AuthorizationHeaderMalformed",
                 fmt::format("<Region>{}</Region>", options_.region));
  }
  const std::string date = request.header("x-amz-date");
  if (date.size() != 16 || date.substr(0, 8) != match[2].str()) {
    return error(403, "AccessDenied");
  }
  const auto signed_at =
      http_client::parse_date(fmt::format("{} {}:{}:{} GMT", date.substr(0, 8), date.substr(9, 2),
                                          date.substr(11, 2), date.substr(13, 2)));
  if (!signed_at) return error(403, "AccessDenied");
  if (auto refusal = check_time(*signed_at)) return refusal;

  const auto names = split(match[4], ';');
  const std::set<std::string> signed_names(names.begin(), names.end());
  if (!std::ranges::is_sorted(names) || signed_names.size() != names.size()) {
    return error(400, "AuthorizationHeaderMalformed");
  }
  std::string lines;
  for (const std::string& name : names) {
    if (!request.has_header(name)) return error(403, "SignatureDoesNotMatch");
    lines += name + ":" + request.header(name) + "\n";
  }
  for (const auto& [name, value] : request.headers) {
    const bool must = name == "host" || name.starts_with("x-amz-") || name == "content-md5" ||
                      name == "content-type";
    const bool must_not = name == "accept-encoding" || name == "user-agent" || name == "expect" ||
                          name == "connection" || name == "content-length" || name == "accept";
    if (must && !signed_names.contains(name)) return error(403, "AccessDenied", name);
    if (must_not && signed_names.contains(name)) return error(403, "AccessDenied", name);
    if (name == "x-amz-checksum" || name == "x-amz-trailer") return error(501, "NotImplemented");
  }
  const std::string payload = request.header("x-amz-content-sha256");
  const bool unsigned_payload = payload == "UNSIGNED-PAYLOAD" && options_.tls;
  if (!unsigned_payload && payload != hex(sha256(request.body))) {
    return error(400, "XAmzContentSHA256Mismatch");
  }
  auto query = raw_query(request);
  std::ranges::sort(query);
  std::string joined;
  for (const std::string& part : query) joined += (joined.empty() ? "" : "&") + part;
  const std::string canonical =
      fmt::format("{}\n{}\n{}\n{}\n{}\n{}", request.method, request.raw_path(), joined, lines,
                  match[4].str(), payload);
  const std::string scope = fmt::format("{}/{}/s3/aws4_request", match[2].str(), match[3].str());
  const std::string to_sign =
      fmt::format("AWS4-HMAC-SHA256\n{}\n{}\n{}", date, scope, hex(sha256(canonical)));
  std::string key = hmac_sha256("AWS4" + options_.secret, match[2].str());
  for (const std::string& step :
       {options_.region, std::string("s3"), std::string("aws4_request")}) {
    key = hmac_sha256(key, step);
  }
  if (match[5] != hex(hmac_sha256(key, to_sign))) return error(403, "SignatureDoesNotMatch");
  return std::nullopt;
}

std::optional<FakeReply> FakeS3::check_v2(const FakeRequest& request, const Target& target) {
  static const std::set<std::string> subresources = {
      "location", "partNumber", "uploadId", "uploads", "versionId", "versioning", "versions"};
  const std::string authorization = request.header("authorization");
  const auto colon = authorization.find(':');
  if (authorization.substr(4, colon - 4) != options_.access_key_id) {
    return error(403, "InvalidAccessKeyId");
  }
  const auto signed_at = http_client::parse_date(request.header("date"));
  if (!signed_at) return error(403, "AccessDenied");
  if (auto refusal = check_time(*signed_at)) return refusal;
  std::map<std::string, std::string> amz;
  for (const auto& [name, value] : request.headers) {
    if (name.starts_with("x-amz-")) amz[name] = value;
  }
  std::string text = fmt::format("{}\n{}\n{}\n{}\n", request.method, request.header("content-md5"),
                                 request.header("content-type"), request.header("date"));
  for (const auto& [name, value] : amz) text += name + ":" + value + "\n";
  text += "/" + target.bucket + "/" + uri_encode(target.key, true);
  std::map<std::string, std::string> signed_query;
  for (const auto& [name, value] : request.query()) {
    if (subresources.contains(name)) signed_query[name] = value;
  }
  char mark = '?';
  for (const auto& [name, value] : signed_query) {
    text += std::exchange(mark, '&') + name + (value.empty() ? "" : "=" + value);
  }
  if (authorization.substr(colon + 1) != base64(hmac_sha1(options_.secret, text))) {
    return error(403, "SignatureDoesNotMatch");
  }
  return std::nullopt;
}

// --- what lies in it --------------------------------------------------------------------------

const FakeS3::Version* FakeS3::current(const std::string& key) const {
  const auto found = objects_.find(key);
  if (found == objects_.end() || found->second.empty() || found->second.back().removed) {
    return nullptr;
  }
  return &found->second.back();
}

void FakeS3::store(const std::string& key, std::string body, std::string etag) {
  auto& versions = objects_[key];
  if (!options_.versioned) versions.clear();
  versions.push_back({fmt::format("V{}", next_id_++), false, std::move(body), std::move(etag),
                      unix_seconds(now())});
}

std::vector<std::string> FakeS3::keys() {
  const std::lock_guard hold(mutex_);
  std::vector<std::string> found;
  for (const auto& [key, versions] : objects_) {
    if (current(key) != nullptr) found.push_back(key);
  }
  return found;
}

std::optional<std::string> FakeS3::object(const std::string& key) {
  const std::lock_guard hold(mutex_);
  const Version* found = current(key);
  return found == nullptr ? std::nullopt : std::optional(found->body);
}

void FakeS3::put_object(const std::string& key, const std::string& body) {
  const std::lock_guard hold(mutex_);
  store(key, body, hex(md5(body)));
}

void FakeS3::remove_object(const std::string& key) {
  const std::lock_guard hold(mutex_);
  objects_.erase(key);
}

std::size_t FakeS3::uploads() {
  const std::lock_guard hold(mutex_);
  return uploads_.size();
}

std::size_t FakeS3::versions() {
  const std::lock_guard hold(mutex_);
  std::size_t count = 0;
  for (const auto& [key, versions] : objects_) count += versions.size();
  return count;
}

std::vector<std::string> FakeS3::log() {
  const std::lock_guard hold(mutex_);
  return log_;
}

std::size_t FakeS3::count(const std::string& beginning) {
  const std::lock_guard hold(mutex_);
  return static_cast<std::size_t>(std::ranges::count_if(
      log_, [&](const std::string& line) { return line.starts_with(beginning); }));
}

}  // namespace sharestore::test
