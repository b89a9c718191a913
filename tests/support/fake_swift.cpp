#include "tests/support/fake_swift.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

namespace sharestore::test {

namespace json = boost::json;

namespace {

constexpr std::size_t kMaxKeyBytes = 1024;
constexpr std::size_t kMaxListing = 10'000;
constexpr std::size_t kMaxSegments = 1000;
constexpr std::size_t kRemembered = 100'000;

std::string md5(const std::string& text) {
  std::array<unsigned char, 16> digest{};
  EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_md5(), nullptr);
  std::string hex;
  for (const unsigned char byte : digest) hex += fmt::format("{:02x}", byte);
  return hex;
}

std::string http_date(std::int64_t at) {
  return fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(static_cast<std::time_t>(at)));
}

FakeReply reply(int status, std::string body = {}, FakeRequest::Pairs headers = {}) {
  return {.status = status, .headers = std::move(headers), .body = std::move(body), .end = {}};
}

std::string text_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string()
             ? std::string(value->get_string().data(), value->get_string().size())
             : std::string();
}

struct Span {
  std::size_t first = 0;
  std::size_t last = 0;
};

// "bytes=2-5", "bytes=2-": nothing when it is beyond the end.
std::optional<Span> span_of(const std::string& range, std::size_t size) {
  const std::size_t dash = range.find('-');
  const std::size_t first = std::stoull(range.substr(6, dash - 6));
  const std::string end = range.substr(dash + 1);
  if (first >= size) return std::nullopt;
  return Span{first, end.empty() ? size - 1 : std::min<std::size_t>(std::stoull(end), size - 1)};
}

}  // namespace

FakeSwift::FakeSwift(std::string container, const Clock& clock)
    : container_(std::move(container)),
      clock_(clock),
      server_([this](const FakeRequest& request) { return handle(request); }) {}

// --- control ------------------------------------------------------------------------------------

IssuedToken FakeSwift::issue() {
  const std::lock_guard hold(mutex_);
  const std::string token = fmt::format("AUTH_tk{}", ++last_token_);
  tokens_.insert(token);
  return {token, storage_url()};
}

void FakeSwift::revoke(const std::string& token) {
  const std::lock_guard hold(mutex_);
  tokens_.erase(token);
}

void FakeSwift::fail_next(int count, const std::string& method, Fault fault, int status,
                          FakeRequest::Pairs headers) {
  const std::lock_guard hold(mutex_);
  planned_.push_back({method, fault, status, std::move(headers), count});
}

void FakeSwift::freeze_listing(bool frozen) {
  const std::lock_guard hold(mutex_);
  frozen_.reset();
  if (frozen) frozen_ = objects_;
}

void FakeSwift::generate_listing(std::string prefix, std::size_t count) {
  const std::lock_guard hold(mutex_);
  generated_prefix_ = std::move(prefix);
  generated_ = count;
}

std::vector<std::string> FakeSwift::keys() const {
  const std::lock_guard hold(mutex_);
  std::vector<std::string> keys;
  for (const auto& [key, object] : objects_) keys.push_back(key);
  return keys;
}

bool FakeSwift::has(const std::string& key) const {
  const std::lock_guard hold(mutex_);
  return objects_.contains(key);
}

void FakeSwift::erase(const std::string& key) {
  const std::lock_guard hold(mutex_);
  objects_.erase(key);
}

std::vector<std::string> FakeSwift::requests() const {
  const std::lock_guard hold(mutex_);
  return requests_;
}

std::size_t FakeSwift::count(const std::string& method) const {
  const std::lock_guard hold(mutex_);
  return static_cast<std::size_t>(std::ranges::count_if(
      requests_, [&](const std::string& line) { return line.starts_with(method + " "); }));
}

std::vector<std::string> FakeSwift::complaints() const {
  const std::lock_guard hold(mutex_);
  return complaints_;
}

FakeReply FakeSwift::refuse(std::string complaint) {
  complaints_.push_back(complaint);
  return reply(400, std::move(complaint));
}

// --- requests -----------------------------------------------------------------------------------

std::optional<FakeSwift::Planned> FakeSwift::take_fault(const std::string& method) {
  for (Planned& planned : planned_) {
    if (planned.left == 0 || (!planned.method.empty() && planned.method != method)) continue;
    --planned.left;
    return planned;
  }
  return std::nullopt;
}

void FakeSwift::spoil(const Planned& fault, FakeReply& reply) const {
  switch (fault.fault) {
    case Fault::status: break;
    case Fault::reply_lost: reply.end = FakeReply::End::reset; break;
    case Fault::body_cut: reply.end = FakeReply::End::cut; break;
    case Fault::done_then_503:
      reply.status = 503;
      reply.body.clear();
      break;
    case Fault::wrong_etag:
      for (auto& [name, value] : reply.headers) {
        if (name == "ETag") value = md5("something else");
      }
      break;
  }
}

FakeReply FakeSwift::handle(const FakeRequest& request) {
  const std::string path = request.path();
  if (path == "/auth/v1.0") return authenticate(request);
  const std::lock_guard hold(mutex_);
  if (path == "/info") {
    json::object info{{"swift", {{"max_file_size", 5368709122}}}};
    if (segments_) info["slo"] = {{"max_manifest_segments", kMaxSegments}, {"min_segment_size", 1}};
    if (bulk_delete_) info["bulk_delete"] = {{"max_deletes_per_request", 10000}};
    return reply(200, json::serialize(info));
  }
  if (!path.starts_with("/v1/")) return reply(404, "no such place");
  if (requests_.size() < kRemembered) requests_.push_back(request.method + " " + request.target);
  const auto fault = take_fault(request.method);
  FakeReply answer;
  if (fault && fault->fault == Fault::status) {
    answer = reply(fault->status, "told to", fault->headers);
  } else {
    answer = serve_locked(request);
    if (fault) spoil(*fault, answer);
  }
  answer.headers.emplace_back("Date", http_date(unix_seconds(clock_.utc_now())));
  answer.headers.emplace_back("X-Trans-Id", fmt::format("tx{}", requests_.size()));
  return answer;
}

FakeReply FakeSwift::authenticate(const FakeRequest& request) {
  ++authentications_;
  if (request.header("x-auth-user") != kUser || request.header("x-auth-key") != kKey) {
    return reply(401, "<html><h1>Unauthorized</h1></html>");
  }
  const IssuedToken issued = issue();
  return reply(200, "",
               {{"X-Auth-Token", issued.token},
                {"X-Storage-Url", issued.storage_url},
                {"X-Auth-Token-Expires", std::to_string(token_life_s_ - 1)},
                {"Date", http_date(unix_seconds(clock_.utc_now()))}});
}

FakeReply FakeSwift::serve_locked(const FakeRequest& request) {
  if (!tokens_.contains(request.header("x-auth-token"))) return reply(401, "no such token");
  for (const char* header : {"if-none-match", "if-match", "authorization", "x-auth-key"}) {
    if (request.has_header(header)) return refuse(std::string("a request with ") + header);
  }
  const std::string account = "/v1/AUTH_test";
  const std::string path = request.path();
  if (path == account && request.method == "POST") return bulk_delete(request);
  const std::string root = account + "/" + container_;
  if (path != root && !path.starts_with(root + "/")) return reply(404, "no such container");
  if (path == root) return serve_container(request);
  if (!has_container_) return reply(404, "no such container");
  const std::string key = path.substr(root.size() + 1);
  if (key.empty() || key.size() > kMaxKeyBytes) return refuse("a key of " + key);
  if (request.method == "PUT") {
    return request.has_parameter("multipart-manifest") ? put_manifest(request, key)
                                                       : put(request, key);
  }
  if (request.method == "GET" || request.method == "HEAD") return read(request, key);
  if (request.method != "DELETE") return refuse("a " + request.method);
  const auto found = objects_.find(key);
  if (found == objects_.end()) return reply(404);
  before_[key] = found->second;
  objects_.erase(found);
  return reply(204);
}

FakeReply FakeSwift::serve_container(const FakeRequest& request) {
  if (request.method == "PUT") {
    const bool there = has_container_.exchange(true);
    return reply(there ? 202 : 201);
  }
  if (!has_container_) return reply(404);
  if (request.method == "HEAD") return reply(204);
  if (request.method == "GET") return list(request);
  return refuse("a " + request.method + " of the container");
}

FakeReply FakeSwift::list(const FakeRequest& request) {
  if (request.parameter("format") != "json") return refuse("a listing that is not JSON");
  std::size_t limit = 0;
  const std::string asked = request.parameter("limit");
  std::from_chars(asked.data(), asked.data() + asked.size(), limit);
  if (limit == 0 || limit > kMaxListing) return reply(412, "Maximum limit is 10000");
  limit = std::min<std::size_t>(limit, page_size_);
  const std::string prefix = request.parameter("prefix");
  const std::string marker = request.parameter("marker");
  json::array page;
  if (generated_ > 0 && prefix == generated_prefix_) {
    std::size_t at = marker.empty() ? 0 : std::stoull(marker.substr(prefix.size())) + 1;
    for (; at < generated_ && page.size() < limit; ++at) {
      page.push_back({{"name", fmt::format("{}{:09}", prefix, at)}, {"bytes", at}, {"hash", "0"}});
    }
    return reply(200, json::serialize(page));
  }
  const Objects& shown = frozen_ ? *frozen_ : objects_;
  for (auto at = shown.upper_bound(marker); at != shown.end() && page.size() < limit; ++at) {
    if (!at->first.starts_with(prefix)) continue;
    bool cut = false;
    const auto content = assemble(at->second, cut);
    json::object entry{{"name", at->first},
                       {"bytes", content ? content->size() : 0},
                       {"hash", md5(at->second.content)},
                       {"content_type", "application/octet-stream"},
                       {"last_modified", "2026-11-20T23:07:32.631150"}};
    if (at->second.manifest) entry["slo_etag"] = "\"" + at->second.etag + "\"";
    page.push_back(std::move(entry));
  }
  return reply(200, json::serialize(page));
}

void FakeSwift::store(const std::string& key, Object object) {
  const auto old = objects_.find(key);
  before_[key] = old == objects_.end() ? std::nullopt : std::optional(old->second);
  object.stored_at = unix_seconds(clock_.utc_now());
  objects_[key] = std::move(object);
}

FakeReply FakeSwift::put(const FakeRequest& request, const std::string& key) {
  if (!request.has_header("content-length")) return reply(411);
  if (!request.has_header("etag")) return refuse("a PUT without its checksum");
  const std::string etag = md5(request.body);
  if (request.header("etag") != etag) return reply(422, "Unprocessable Entity");
  store(key, {request.body, etag, false, 0, {}});
  return reply(201, "",
               {{"ETag", etag}, {"Last-Modified", http_date(unix_seconds(clock_.utc_now()))}});
}

FakeReply FakeSwift::put_manifest(const FakeRequest& request, const std::string& key) {
  boost::system::error_code bad;
  const json::value parsed = json::parse(request.body, bad);
  if (bad || !parsed.is_array()) return refuse("a manifest that is not an array");
  if (parsed.get_array().empty() || parsed.get_array().size() > kMaxSegments) {
    return refuse("a manifest of too many segments or none");
  }
  std::string tags;
  std::set<std::string> seen;
  for (const json::value& entry : parsed.get_array()) {
    const json::object* segment = entry.if_object();
    if (segment == nullptr || segment->size() != 3) return refuse("a segment of another form");
    const std::string root = "/" + container_ + "/";
    const std::string path = text_of(*segment, "path");
    if (!path.starts_with(root)) return refuse("a segment elsewhere: " + path);
    const auto found = objects_.find(path.substr(root.size()));
    if (found == objects_.end()) return reply(400, "Errors:\n" + path + ", 404 Not Found\n");
    if (!seen.insert(path).second) return refuse("a segment named twice: " + path);
    const json::value* bytes = segment->if_contains("size_bytes");
    if (found->second.content.empty() || found->second.etag != text_of(*segment, "etag") ||
        bytes == nullptr || bytes->to_number<std::size_t>() != found->second.content.size()) {
      return refuse("a segment of another size or checksum: " + path);
    }
    tags += found->second.etag;
  }
  store(key, {request.body, md5(tags), true, 0, request.header("x-object-meta-upload")});
  return reply(201, "", {{"ETag", "\"" + md5(tags) + "\""}});
}

// Nothing: the first segment is missing. `cut`: a later one is, and the body ends there.
std::optional<std::string> FakeSwift::assemble(const Object& object, bool& cut) const {
  if (!object.manifest) return object.content;
  std::string whole;
  std::size_t told = 0;
  for (const json::value& entry : json::parse(object.content).get_array()) {
    told += entry.at("size_bytes").to_number<std::size_t>();
    const auto found =
        objects_.find(text_of(entry.get_object(), "path").substr(container_.size() + 2));
    if (found == objects_.end() && whole.empty()) return std::nullopt;
    if (found == objects_.end()) cut = true;
    if (!cut) whole += found->second.content;
  }
  whole.resize(told);
  return whole;
}

FakeReply FakeSwift::read(const FakeRequest& request, const std::string& key) {
  const auto found = objects_.find(key);
  std::optional<Object> object;
  if (found != objects_.end()) object = found->second;
  const auto old = before_.find(key);
  if (stale_reads_ && request.header("x-newest") != "true" && old != before_.end()) {
    object = old->second;
  }
  if (!object) return reply(404, "The resource could not be found.");
  FakeRequest::Pairs headers{{"X-Timestamp", fmt::format("{}.00000", object->stored_at)}};
  if (object->manifest) {
    if (!tells_manifests_ && request.parameter("multipart-manifest") == "get") return reply(200);
    headers.emplace_back("X-Static-Large-Object", "True");
    if (!object->upload.empty() && !forgets_metadata_) {
      headers.emplace_back("X-Object-Meta-Upload", object->upload);
    }
    headers.emplace_back("ETag", "\"" + object->etag + "\"");
  } else {
    headers.emplace_back("ETag", object->etag);
  }
  if (request.parameter("multipart-manifest") == "get") {
    if (!object->manifest) return refuse("the manifest of an object that has none");
    json::array told;
    for (const json::value& entry : json::parse(object->content).get_array()) {
      told.push_back({{"name", entry.at("path")},
                      {"hash", entry.at("etag")},
                      {"bytes", entry.at("size_bytes")}});
    }
    return reply(200, json::serialize(told), std::move(headers));
  }
  bool cut = false;
  auto content = assemble(*object, cut);
  if (request.method == "HEAD") {
    headers.emplace_back("Content-Length", std::to_string(content ? content->size() : 0));
    return reply(200, "", std::move(headers));
  }
  if (!content) return reply(409, "Conflict");
  int status = 200;
  if (request.has_header("range")) {
    const auto span = span_of(request.header("range"), content->size());
    headers.emplace_back("Content-Range", span ? fmt::format("bytes {}-{}/{}", span->first,
                                                             span->last, content->size())
                                               : fmt::format("bytes */{}", content->size()));
    if (!span) return reply(416, "", std::move(headers));
    content = content->substr(span->first, span->last - span->first + 1);
    status = 206;
  }
  FakeReply answer = reply(status, std::move(*content), std::move(headers));
  if (cut) answer.end = FakeReply::End::cut;
  return answer;
}

FakeReply FakeSwift::bulk_delete(const FakeRequest& request) {
  if (!bulk_delete_ || !request.has_parameter("bulk-delete")) return refuse("a POST");
  if (request.header("content-type") != "text/plain") return refuse("bulk deletion of no text");
  std::size_t deleted = 0, missing = 0;
  std::string_view lines = request.body;
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    const std::string path = percent_decode(lines.substr(0, end));
    lines.remove_prefix(std::min(end + 1, lines.size()));
    const std::string root = "/" + container_ + "/";
    if (!path.starts_with(root)) return refuse("bulk deletion elsewhere: " + path);
    (objects_.erase(path.substr(root.size())) > 0 ? deleted : missing) += 1;
  }
  return reply(200, json::serialize(json::object{{"Response Status", "200 OK"},
                                                 {"Number Deleted", deleted},
                                                 {"Number Not Found", missing},
                                                 {"Errors", json::array()}}));
}

}  // namespace sharestore::test
