#include "tests/support/rackspace_identity.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>

namespace sharestore::test {

namespace json = boost::json;

namespace {

std::time_t whole_seconds(WallTime at) { return static_cast<std::time_t>(unix_seconds(at)); }

std::string http_date(WallTime at) {
  return fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(whole_seconds(at)));
}

std::string iso_date(WallTime at) {
  const auto part =
      std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()).count() % 1000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(whole_seconds(at)), part);
}

FakeReply fault(int status, const std::string& name, const std::string& message) {
  const json::object body{{name, {{"code", status}, {"message", message}}}};
  return {.status = status,
          .headers = {{"Content-Type", "application/json"}},
          .body = json::serialize(body),
          .end = {}};
}

}  // namespace

RackspaceIdentity::RackspaceIdentity(TokenIssuer& issuer, const Clock& clock, bool tls)
    : issuer_(issuer),
      clock_(clock),
      server_([this](const FakeRequest& request) { return handle(request); }, tls) {}

RackspaceIdentity::~RackspaceIdentity() { let_go(); }

// --- control ------------------------------------------------------------------------------------

void RackspaceIdentity::set_token_life(std::chrono::milliseconds life) {
  const std::lock_guard hold(mutex_);
  life_ = life;
}

void RackspaceIdentity::revoke_all() {
  const std::lock_guard hold(mutex_);
  for (const Live& live : live_) issuer_.revoke(live.issued.token);
  live_.clear();
}

void RackspaceIdentity::over_limit_next(int count, int status, int seconds, bool as_date) {
  const std::lock_guard hold(mutex_);
  planned_.push_back({Hurdle::over_limit, count, status, seconds, as_date});
}

void RackspaceIdentity::fail_next(int count, int status) {
  const std::lock_guard hold(mutex_);
  planned_.push_back({Hurdle::fail, count, status, 0, false});
}

void RackspaceIdentity::break_next(int count) {
  const std::lock_guard hold(mutex_);
  planned_.push_back({Hurdle::broken, count, 200, 0, false});
}

void RackspaceIdentity::drop_next(int count) {
  const std::lock_guard hold(mutex_);
  planned_.push_back({Hurdle::dropped, count, 0, 0, false});
}

void RackspaceIdentity::hold() {
  const std::lock_guard hold(mutex_);
  held_ = true;
}

void RackspaceIdentity::let_go() {
  {
    const std::lock_guard hold(mutex_);
    held_ = false;
  }
  changed_.notify_all();
}

void RackspaceIdentity::await_held(std::size_t count) {
  std::unique_lock hold(mutex_);
  changed_.wait(hold, [&] { return waiting_ >= count; });
}

void RackspaceIdentity::disable_user(bool disabled) {
  const std::lock_guard hold(mutex_);
  disabled_ = disabled;
}

void RackspaceIdentity::leave_out_store(bool left_out) {
  const std::lock_guard hold(mutex_);
  without_store_ = left_out;
}

void RackspaceIdentity::set_regions(std::vector<std::string> regions, std::string default_region) {
  const std::lock_guard hold(mutex_);
  regions_ = std::move(regions);
  default_region_ = std::move(default_region);
}

std::size_t RackspaceIdentity::authentications() const {
  const std::lock_guard hold(mutex_);
  return authentications_;
}

std::size_t RackspaceIdentity::tokens_issued() const {
  const std::lock_guard hold(mutex_);
  return issued_;
}

// --- answers ------------------------------------------------------------------------------------

void RackspaceIdentity::end_expired() {
  const std::lock_guard hold(mutex_);
  end_expired_locked();
}

void RackspaceIdentity::end_expired_locked() {
  const WallTime now = clock_.utc_now();
  std::erase_if(live_, [&](const Live& live) {
    if (live.ends_at > now) return false;
    issuer_.revoke(live.issued.token);
    return true;
  });
}

const RackspaceIdentity::Live& RackspaceIdentity::live_token() {
  const WallTime now = clock_.utc_now();
  end_expired_locked();
  const auto near_end = std::min<std::chrono::milliseconds>(life_ / 2, std::chrono::hours(1));
  if (live_.empty() || live_.back().ends_at - now <= near_end) {
    ++issued_;
    live_.push_back({issuer_.issue(), now + life_});
  }
  return live_.back();
}

FakeReply RackspaceIdentity::stumble(const Planned& planned) const {
  switch (planned.hurdle) {
    case Hurdle::over_limit: {
      FakeReply reply = fault(planned.status, "overLimit", "OverLimit Retry...");
      const auto until = clock_.utc_now() + std::chrono::seconds(planned.seconds);
      reply.headers.emplace_back(
          "Retry-After", planned.as_date ? http_date(until) : std::to_string(planned.seconds));
      return reply;
    }
    case Hurdle::fail: return fault(planned.status, "identityFault", "Service Unavailable");
    case Hurdle::broken: return {.status = 200, .headers = {}, .body = "{\"access\": {", .end = {}};
    case Hurdle::dropped:
      return {.status = 500, .headers = {}, .body = {}, .end = FakeReply::End::reset};
  }
  return {};
}

FakeReply RackspaceIdentity::handle(const FakeRequest& request) {
  FakeReply reply = answer(request);
  reply.headers.emplace_back("Date", http_date(clock_.utc_now()));
  return reply;
}

FakeReply RackspaceIdentity::answer(const FakeRequest& request) {
  const bool v2 = request.path() == "/v2.0/tokens" && request.method == "POST";
  const bool v1 = request.path() == "/v1.0" && request.method == "GET";
  if (!v1 && !v2) return fault(404, "itemNotFound", "Resource Not Found");
  std::unique_lock hold(mutex_);
  ++authentications_;
  ++waiting_;
  changed_.notify_all();
  changed_.wait(hold, [this] { return !held_; });
  --waiting_;
  for (Planned& planned : planned_) {
    if (planned.left == 0) continue;
    --planned.left;
    return stumble(planned);
  }
  return v2 ? answer_v2(request) : answer_v1(request);
}

std::string RackspaceIdentity::catalogue(const std::string& storage_url) const {
  const auto version = storage_url.find("/v1/");
  json::array files, servers;
  for (const std::string& region : regions_) {
    files.push_back({{"region", region},
                     {"tenantId", "MossoCloudFS_1"},
                     {"publicURL", storage_url},
                     {"internalURL", "https://snet.invalid" + storage_url.substr(version)}});
    servers.push_back({{"region", region}, {"publicURL", "https://servers.invalid/v2/1"}});
  }
  json::array services{
      {{"name", "cloudMonitoring"},
       {"type", "rax:monitor"},
       {"endpoints", json::array{{{"publicURL", "https://monitoring.invalid/v1.0/1"}}}}},
      {{"name", "cloudServersOpenStack"}, {"type", "compute"}, {"endpoints", servers}}};
  if (!without_store_) {
    services.push_back(
        {{"name", "cloudFiles"}, {"type", "object-store"}, {"endpoints", std::move(files)}});
  }
  return json::serialize(services);
}

FakeReply RackspaceIdentity::answer_v2(const FakeRequest& request) {
  boost::system::error_code bad;
  const json::value body = json::parse(request.body, bad);
  const json::value* key =
      bad ? nullptr : body.find_pointer("/auth/RAX-KSKEY:apiKeyCredentials", bad);
  if (key == nullptr || request.header("content-type") != "application/json") {
    return fault(400, "badRequest", "Invalid json request body");
  }
  const json::value wanted{{"username", kUser}, {"apiKey", kKey}};
  if (*key != wanted) {
    return fault(401, "unauthorized", "Unable to authenticate user with credentials provided.");
  }
  if (disabled_) return fault(403, "userDisabled", fmt::format("User '{}' is disabled.", kUser));
  const Live& live = live_token();
  json::object user{{"id", "1"}, {"name", kUser}};
  if (!default_region_.empty()) user["RAX-AUTH:defaultRegion"] = default_region_;
  const json::object access{
      {"token", {{"id", live.issued.token}, {"expires", iso_date(live.ends_at)}}},
      {"serviceCatalog", json::parse(catalogue(live.issued.storage_url))},
      {"user", std::move(user)}};
  return {.status = 200,
          .headers = {{"Content-Type", "application/json"}},
          .body = json::serialize(json::object{{"access", access}}),
          .end = {}};
}

FakeReply RackspaceIdentity::answer_v1(const FakeRequest& request) {
  if (request.header("x-auth-user") != kUser || request.header("x-auth-key") != kKey) {
    return {.status = 401, .headers = {}, .body = "Bad username or password", .end = {}};
  }
  if (disabled_) return {.status = 403, .headers = {}, .body = "Account disabled", .end = {}};
  const Live& live = live_token();
  const auto left =
      std::chrono::duration_cast<std::chrono::seconds>(live.ends_at - clock_.utc_now());
  return {.status = 204,
          .headers = {{"X-Auth-Token", live.issued.token},
                      {"X-Storage-Url", live.issued.storage_url},
                      {"Cache-Control", fmt::format("s-maxage={}", left.count())}},
          .body = {},
          .end = {}};
}

}  // namespace sharestore::test
