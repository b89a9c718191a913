#include "backends/s3/s3_client.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>

#include "backends/core/log.h"
#include "backends/s3/encoding.h"
#include "backends/s3/error_table.h"

namespace sharestore::s3 {

namespace asio = boost::asio;
using http_client::BodyDigest;
using http_client::EndpointCall;
using http_client::EndpointOptions;
using http_client::HttpRequest;
using http_client::Judgement;
using http_client::Verdict;
using std::chrono::seconds;

namespace {

// Below this, what the store tells of its clock does not explain a refusal.
constexpr seconds kSkewNoticed{60};
// "The difference between the request time and the server's time is too large": 15 minutes. An
// answer without a body (HEAD, a front's page) does not say so, but its Date tells.
constexpr seconds kSkewSuspected{14 * 60};
constexpr std::size_t kMaxMessageChars = 300;
constexpr std::size_t kMaxRegionChars = 64;
constexpr std::size_t kMd5HexChars = 32;

EndpointOptions endpoint_options(const S3Options& options) {
  EndpointOptions endpoint;
  endpoint.origin = options.config.url.to_string();
  endpoint.max_requests = options.config.max_requests;
  endpoint.max_arriving_bytes = std::max(options.max_arriving_bytes, kMaxDocumentBytes);
  endpoint.ca_file = options.config.ca_file;
  endpoint.request_id_headers = {"x-amz-request-id", "x-amz-id-2"};
  endpoint.retry = options.retry;
  endpoint.http = options.http;
  endpoint.http.max_connections = options.config.max_requests;
  return endpoint;
}

// DevPay's tokens and a temporary key's go into the same header.
std::string security_token(const S3Config& config) {
  if (!config.session_token.empty()) return std::string(config.session_token.reveal());
  std::string token(config.devpay_user_token.reveal());
  if (!config.devpay_product_token.empty()) {
    token += "," + std::string(config.devpay_product_token.reveal());
  }
  return token;
}

bool is_region(const std::string& text) {
  return !text.empty() && text.size() <= kMaxRegionChars && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

// 200 with an error in it: any document that is not the one asked for.
bool is_document(std::string_view body) { return body.starts_with('<'); }

std::string sentence(const std::string& what, const HttpResponse& response,
                     const ErrorDocument& document, const ErrorRow* row) {
  std::string text = fmt::format("{}: the store answered {}", what, response.status);
  if (!document.code.empty()) text += " " + document.code;
  if (!document.message.empty()) text += ": " + document.message.substr(0, kMaxMessageChars);
  if (!document.endpoint.empty()) {
    text += fmt::format("; the bucket is served by {}: set s3.url and s3.region to it",
                        document.endpoint);
  }
  if (row != nullptr && !row->advice.empty()) text += fmt::format("; {}", row->advice);
  return text;
}

}  // namespace

bool tag_is_md5(const HttpResponse& response, std::string_view etag) {
  const std::string_view encryption = response.header("x-amz-server-side-encryption");
  return etag.size() == kMd5HexChars &&
         etag.find_first_not_of("0123456789abcdef") == std::string_view::npos &&
         (encryption.empty() || encryption == "AES256") &&
         response.header("x-amz-server-side-encryption-customer-algorithm").empty();
}

// What the attempt under way was signed with, and what was answered.
struct S3Client::Attempt {
  std::string region;
  seconds clock_correction{0};
  std::string code;
  int status = 0;
};

S3Client::S3Client(const S3Options& options, IoPool& pool, asio::any_io_executor executor)
    : config_(options.config),
      token_(security_token(config_)),
      pool_(pool),
      endpoint_(std::move(executor), pool, endpoint_options(options)),
      region_(config_.region) {}

std::string S3Client::region() const {
  const std::lock_guard hold(mutex_);
  return region_;
}

asio::awaitable<S3Outcome> S3Client::send(OpContext context, S3Request request) {
  S3Outcome outcome;
  BodyDigest digest;
  if (request.body) {
    const bool want_sha256 =
        config_.signature == S3Config::Signature::v4 &&
        (config_.payload == S3Config::Payload::signed_hash || !config_.url.tls);
    auto made = co_await http_client::digest_body(pool_, request.body, want_sha256);
    if (!made) {
      outcome.response = fail(std::move(made.error()));
      co_return outcome;
    }
    digest = std::move(*made);
    outcome.md5_hex = hex(digest.md5);
  }
  const auto attempt = std::make_shared<Attempt>();
  const auto what = fmt::format("{} of {}{}", request.method, request.key.empty() ? "bucket " : "",
                                request.key.empty() ? config_.bucket : request.key);
  const auto shared = std::make_shared<const S3Request>(std::move(request));
  EndpointCall call;
  call.what = what;
  call.effect = shared->effect;
  call.prepare = [this, shared, digest, attempt](OpContext at, WallTime now) -> Task<HttpRequest> {
    attempt->clock_correction = std::chrono::round<seconds>(now - at.clock().utc_now());
    co_return prepare(*shared, digest, now, *attempt);
  };
  call.judge = [this, shared, what, attempt](const HttpResponse& response) {
    return judge(*shared, response, what, *attempt);
  };
  outcome.response = co_await endpoint_.send(context, std::move(call));
  outcome.code = attempt->code;
  outcome.status = attempt->status;
  co_return outcome;
}

// --- making a request -------------------------------------------------------------------------

HttpRequest S3Client::prepare(const S3Request& request, const BodyDigest& digest, WallTime now,
                              Attempt& attempt) const {
  attempt.region = region();
  attempt.code.clear();
  attempt.status = 0;
  const Address address = address_of(config_, attempt.region);
  SignableRequest signable;
  signable.method = request.method;
  signable.path = address.path_prefix + "/" + request.key;
  signable.query = request.query;
  signable.headers = request.headers;
  if (request.body) {
    signable.headers.emplace_back("Content-MD5", base64(digest.md5));
    signable.headers.emplace_back(
        "Content-Type", request.root.empty() ? "application/octet-stream" : "application/xml");
  }
  sign(signable, address, digest, request.body != nullptr, now, attempt.region);
  HttpRequest made;
  made.method = request.method;
  made.url = address.origin + target_of(signable);
  made.headers = std::move(signable.headers);
  made.body = request.body;
  made.max_response_bytes = request.max_response_bytes;
  if (!request.root.empty()) {
    made.usual_response_bytes = std::min(request.max_response_bytes, kUsualDocumentBytes);
  }
  return made;
}

// Adds what every request has, and Authorization last.
void S3Client::sign(SignableRequest& signable, const Address& address, const BodyDigest& digest,
                    bool has_body, WallTime now, const std::string& region) const {
  HeaderList& headers = signable.headers;
  const SigningKey key{config_.access_key_id, config_.secret_access_key};
  headers.emplace_back("Host", address.host);
  if (!token_.empty()) headers.emplace_back("x-amz-security-token", token_);
  if (config_.signature == S3Config::Signature::v2) {
    headers.emplace_back("Date", http_date(now));
    const std::string resource =
        uri_encode(address.in_host ? "/" + config_.bucket + signable.path : signable.path, true);
    headers.emplace_back("Authorization", authorization_v2(signable, resource, key));
    return;
  }
  std::string payload = hex(has_body ? digest.sha256 : sha256(""));
  if (has_body && digest.sha256.empty()) payload = kUnsignedPayload;
  const ScopeV4 scope{amz_date(now), region};
  headers.emplace_back("x-amz-date", scope.date);
  headers.emplace_back("x-amz-content-sha256", payload);
  headers.emplace_back("Authorization", authorization_v4(signable, scope, payload, key));
}

// --- judging an answer ------------------------------------------------------------------------

Judgement S3Client::judge(const S3Request& request, const HttpResponse& response,
                          const std::string& what, Attempt& attempt) {
  attempt.status = response.status;
  if (response.status >= 300) return judge_error(request, response, what, attempt);
  const std::string_view body = response.body.text();
  if (request.root.empty()) {
    const bool error = request.method != "GET" && is_document(body) && parse_error(body);
    return error ? judge_error(request, response, what, attempt) : Judgement{};
  }
  const std::string root = root_of(body);
  if (root == request.root) return {};
  if (root == "Error") return judge_error(request, response, what, attempt);
  return {
      Verdict::retry,
      Error(Errc::unavailable,
            fmt::format("{}: the store answered {} with {} where <{}> was expected; is {} an S3 "
                        "store?",
                        what, response.status,
                        root.empty() ? "something that is not XML" : "<" + root + ">", request.root,
                        config_.url.to_string()),
            request.effect == Effect::none)};
}

Judgement S3Client::judge_error(const S3Request& request, const HttpResponse& response,
                                const std::string& what, Attempt& attempt) {
  const auto parsed = parse_error(response.body.text());
  const ErrorDocument document = parsed.value_or(ErrorDocument{});
  attempt.code = document.code;
  const ErrorRow* row = find_error_row(document.code);
  Judgement judgement = judge_status(response, request.effect, what);
  if (row != nullptr) {
    const bool doubtful = row->doubtful && request.effect != Effect::none;
    judgement.error = Error(row->errc, sentence(what, response, document, row), !doubtful);
    judgement.verdict = doubtful && request.effect == Effect::once ? Verdict::final : row->verdict;
  } else {
    // Only the store itself can say that something is not there: a front's page cannot.
    const bool vague = response.status < 400 || (response.status == 404 && document.code.empty());
    // A status of 200 around an error whose code is unknown.
    const Errc code = vague || !judgement.error ? Errc::unavailable : judgement.error->code();
    const bool known = !judgement.error || judgement.error->outcome_known();
    judgement.error = Error(code, sentence(what, response, document, row), known);
  }
  std::string told(response.header("x-amz-bucket-region"));
  if (told.empty()) told = document.region;
  if (learn_region(told, attempt)) judgement.verdict = Verdict::corrected;

  const bool refused_time =
      document.code == "RequestTimeTooSkewed" || document.code == "RequestExpired";
  const auto offset = endpoint_.clock_offset().value().value_or(seconds(0));
  const bool suspected = document.code.empty() && response.status == 403 &&
                         std::chrono::abs(offset - attempt.clock_correction) > kSkewSuspected;
  if ((refused_time || suspected) && correct_clock(attempt)) {
    judgement.verdict = Verdict::corrected;
  } else if (refused_time) {
    judgement.error =
        Error(judgement.error->code(),
              fmt::format("{}; {}", judgement.error->message(), clock_sentence(attempt)));
  }
  return judgement;
}

bool S3Client::learn_region(const std::string& told, const Attempt& attempt) {
  if (!is_region(told) || told == attempt.region) return false;
  const std::lock_guard hold(mutex_);
  if (region_ != told) {
    log::warning("bucket {} is in region {}, not {}; set s3.region = {}", config_.bucket, told,
                 region_, told);
    region_ = told;
  }
  return true;
}

bool S3Client::correct_clock(const Attempt& attempt) {
  http_client::ClockOffset& clock = endpoint_.clock_offset();
  const auto offset = clock.value();
  if (!offset || std::chrono::abs(*offset - attempt.clock_correction) < kSkewNoticed) return false;
  if (!clock.applied()) {
    log::warning(
        "the store refuses the time of our requests: our clock is {} that of {}; requests are "
        "signed with the store's time from now on; set the clock of this machine",
        http_client::describe_offset(*offset), config_.url.to_string());
  }
  clock.apply();
  return true;
}

std::string S3Client::clock_sentence(const Attempt& attempt) const {
  const auto offset = endpoint_.clock_offset().value();
  if (!offset) {
    return "it does not tell its own time in Date: check the clock of this machine";
  }
  if (attempt.clock_correction != seconds(0)) {
    return fmt::format(
        "our clock is {} the store's, and signing with the store's own time did not help: its "
        "clocks differ from each other; tell its operator",
        http_client::describe_offset(*offset));
  }
  return fmt::format(
      "the store's own Date differs from our clock by {} s only: a clock of the store is wrong; "
      "tell its operator",
      std::chrono::abs(*offset).count());
}

}  // namespace sharestore::s3
