#include "backends/http/transfer.h"

#include <fmt/format.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>

namespace sharestore::http_client {

namespace {

constexpr long kBufferBytes = 64 * 1024;

std::string name_text(const X509_NAME* name) {
  char line[512] = {};
  X509_NAME_oneline(name, line, sizeof line - 1);
  return line;
}

// Called by OpenSSL for each certificate of a chain; remembers what it refuses.
int on_certificate(int good, X509_STORE_CTX* store) {
  if (good == 1) return good;
  auto* ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* trust = ssl == nullptr
                    ? nullptr
                    : static_cast<TrustReport*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  const X509* certificate = X509_STORE_CTX_get_current_cert(store);
  if (trust == nullptr || certificate == nullptr) return good;
  trust->sentence = fmt::format("{}; certificate \"{}\", issued by \"{}\"",
                                X509_verify_cert_error_string(X509_STORE_CTX_get_error(store)),
                                name_text(X509_get_subject_name(certificate)),
                                name_text(X509_get_issuer_name(certificate)));
  return good;
}

CURLcode on_ssl_context(CURL*, void* context, void* trust) {
  auto* ssl = static_cast<SSL_CTX*>(context);
  // The driver, which owns the report, outlives curl's connections.
  SSL_CTX_set_app_data(ssl, trust);
  SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, on_certificate);
  return CURLE_OK;
}

std::string searched_places(const HttpRequest& request) {
  if (!request.ca_file.empty()) return request.ca_file.string();
  const curl_version_info_data* info = curl_version_info(CURLVERSION_NOW);
  std::string places;
  for (const char* place : {info->cainfo, info->capath}) {
    if (place == nullptr) continue;
    if (!places.empty()) places += " and ";
    places += place;
  }
  return places;
}

std::chrono::milliseconds time_info(CURL* easy, CURLINFO what) {
  curl_off_t microseconds = 0;
  curl_easy_getinfo(easy, what, &microseconds);
  return std::chrono::milliseconds(microseconds / 1000);
}

}  // namespace

Transfer::Transfer(OpContext its_context, HttpRequest its_request)
    : context(its_context),
      request(std::move(its_request)),
      feed(request.body),
      begun_(context.clock().now()),
      last_progress_(begun_) {}

Transfer::~Transfer() = default;

bool Transfer::prepare(const HttpClientOptions& options, TrustReport& trust) {
  easy_.reset(curl_easy_init());
  if (!easy_) return false;
  set(CURLOPT_ERRORBUFFER, error_text_);
  const bool transport =
      set(CURLOPT_URL, request.url.c_str()) && set(CURLOPT_PROTOCOLS_STR, "http,https") &&
      set(CURLOPT_PATH_AS_IS, 1L) && set(CURLOPT_FOLLOWLOCATION, 0L) &&
      set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1)) &&
      set(CURLOPT_NOSIGNAL, 1L) && set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) &&
      set(CURLOPT_TCP_KEEPALIVE, 1L) && set(CURLOPT_USERAGENT, "sharestore") &&
      set(CURLOPT_BUFFERSIZE, kBufferBytes) && set(CURLOPT_UPLOAD_BUFFERSIZE, kBufferBytes) &&
      set(CURLOPT_MAXAGE_CONN, static_cast<long>(options.max_idle_s.count())) &&
      set(CURLOPT_MAXLIFETIME_CONN, static_cast<long>(options.max_connection_life_s.count()));
  const bool callbacks =
      set(CURLOPT_WRITEFUNCTION, &Transfer::on_body) && set(CURLOPT_WRITEDATA, this) &&
      set(CURLOPT_HEADERFUNCTION, &Transfer::on_header) && set(CURLOPT_HEADERDATA, this);
  return transport && callbacks && prepare_method() && prepare_headers() && prepare_tls(trust);
}

bool Transfer::prepare_method() {
  if (request.body) {
    return set(CURLOPT_UPLOAD, 1L) && set(CURLOPT_CUSTOMREQUEST, request.method.c_str()) &&
           set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(feed.size())) &&
           set(CURLOPT_READFUNCTION, &Transfer::on_read) && set(CURLOPT_READDATA, this) &&
           set(CURLOPT_SEEKFUNCTION, &Transfer::on_seek) && set(CURLOPT_SEEKDATA, this);
  }
  if (request.method == "HEAD") return set(CURLOPT_NOBODY, 1L);
  return set(CURLOPT_HTTPGET, 1L) && set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
}

bool Transfer::prepare_headers() {
  std::vector<std::string> lines = {"Expect:"};  // servers answer 417, or hang
  for (const auto& [name, value] : request.headers) {
    lines.push_back(value.empty() ? name + ";" : fmt::format("{}: {}", name, value));
  }
  for (const std::string& line : lines) {
    if (line.find_first_of("\r\n") != std::string::npos) return false;
    curl_slist* longer = curl_slist_append(header_list_.get(), line.c_str());
    if (longer == nullptr) return false;
    (void)header_list_.release();
    header_list_.reset(longer);
  }
  return set(CURLOPT_HTTPHEADER, header_list_.get());
}

bool Transfer::prepare_tls(TrustReport& trust) {
  const bool verified = set(CURLOPT_SSL_VERIFYPEER, 1L) && set(CURLOPT_SSL_VERIFYHOST, 2L) &&
                        set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2)) &&
                        set(CURLOPT_SSL_CTX_FUNCTION, &on_ssl_context) &&
                        set(CURLOPT_SSL_CTX_DATA, &trust);
  if (!verified || request.ca_file.empty()) return verified;
  // Without this the system's directory would be trusted beside the file.
  const char* nowhere = nullptr;
  return set(CURLOPT_CAINFO, request.ca_file.c_str()) && set(CURLOPT_CAPATH, nowhere);
}

Transfer::Deadline Transfer::next_deadline(const HttpClientOptions& options) {
  using Kind = HttpFailure::Kind;
  Deadline next{context.deadline(), Kind::deadline};
  const auto sooner = [&next](Monotonic when, Kind kind) {
    if (when < next.when) next = {when, kind};
  };
  const bool connecting = !answering_ && feed.position() == 0 && !sent() &&
                          time_info(easy_.get(), CURLINFO_PRETRANSFER_TIME_T).count() == 0;
  if (connecting) {
    sooner(begun_ + options.connect_timeout_ms, Kind::cannot_connect);
  } else if (answering_ || feed.position() < feed.size()) {
    sooner(last_progress_ + options.stall_timeout_ms, Kind::stalled);
  } else {
    sooner(last_progress_ + options.first_byte_timeout_ms, Kind::no_answer);
  }
  return next;
}

bool Transfer::sent() const {
  long header_bytes = 0;
  if (easy_) curl_easy_getinfo(easy_.get(), CURLINFO_REQUEST_SIZE, &header_bytes);
  return header_bytes > 0;
}

HttpFailure Transfer::failure(HttpFailure::Kind kind, std::string why) {
  return {kind, sent(), fmt::format("{} {}: {}", request.method, origin_of(request.url), why)};
}

HttpFailure Transfer::untrusted(const TrustReport& trust) {
  const std::string why = trust.sentence.empty() ? std::string(error_text_) : trust.sentence;
  return failure(HttpFailure::Kind::untrusted,
                 fmt::format("the certificate is not trusted: {}; trusted issuers were looked for "
                             "in {}",
                             why, searched_places(request)));
}

HttpOutcome Transfer::outcome(CURLcode result, const TrustReport& trust) {
  using Kind = HttpFailure::Kind;
  const auto failed = [this](Kind kind, std::string why) {
    return std::unexpected(failure(kind, std::move(why)));
  };
  const std::string why = error_text_[0] != 0 ? error_text_ : curl_easy_strerror(result);
  if (too_large_) {
    return failed(Kind::too_large,
                  fmt::format("the answer has more than {} bytes", request.max_response_bytes));
  }
  if (feed.error()) return failed(Kind::unreadable_body, feed.error()->message());
  switch (result) {
    case CURLE_OK: break;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY: return failed(Kind::cannot_resolve, why);
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT: return failed(Kind::cannot_connect, why);
    case CURLE_PEER_FAILED_VERIFICATION: return std::unexpected(untrusted(trust));
    case CURLE_SSL_CACERT_BADFILE:
      return failed(Kind::untrusted, fmt::format("no trusted issuers could be read from {}: {}",
                                                 searched_places(request), why));
    case CURLE_SSL_CONNECT_ERROR: return failed(Kind::tls_failed, why);
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_BAD_FUNCTION_ARGUMENT:
    case CURLE_OUT_OF_MEMORY: return failed(Kind::other, why);
    default: return failed(Kind::broken, why);
  }
  HttpResponse response;
  long status = 0;
  curl_off_t uploaded = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(easy_.get(), CURLINFO_SIZE_UPLOAD_T, &uploaded);
  response.status = static_cast<int>(status);
  response.headers = std::move(headers_);
  response.body = Bytes(std::move(body_));
  response.first_byte_ms = time_info(easy_.get(), CURLINFO_STARTTRANSFER_TIME_T);
  response.total_ms = time_info(easy_.get(), CURLINFO_TOTAL_TIME_T);
  response.sent_bytes = static_cast<std::uint64_t>(uploaded);
  response.repeated = repeated_;
  return response;
}

std::size_t Transfer::on_body(char* data, std::size_t size, std::size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  const std::size_t bytes = size * count;
  std::vector<std::byte>& body = transfer.body_;
  transfer.last_progress_ = transfer.context.clock().now();
  if (bytes > transfer.request.max_response_bytes - body.size()) {
    transfer.too_large_ = true;
    return 0;
  }
  if (body.empty()) {
    curl_off_t expected = 0;
    curl_easy_getinfo(transfer.easy(), CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &expected);
    if (expected > 0) {
      body.reserve(std::min<std::uint64_t>(static_cast<std::uint64_t>(expected),
                                           transfer.request.max_response_bytes));
    }
  }
  const ByteSpan span = as_byte_span({data, bytes});
  body.insert(body.end(), span.begin(), span.end());
  return bytes;
}

std::size_t Transfer::on_header(char* data, std::size_t size, std::size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  const std::size_t bytes = size * count;
  std::string_view line(data, bytes);
  transfer.last_progress_ = transfer.context.clock().now();
  transfer.answering_ = true;
  transfer.head_bytes_ += bytes;
  if (transfer.head_bytes_ > kMaxHeadBytes) {
    transfer.too_large_ = true;
    return 0;
  }
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  if (line.starts_with("HTTP/")) {
    transfer.headers_.clear();  // an interim answer came before
    return bytes;
  }
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return bytes;
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
  while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.remove_suffix(1);
  transfer.headers_.emplace_back(line.substr(0, colon), value);
  return bytes;
}

std::size_t Transfer::on_read(char* into, std::size_t size, std::size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  transfer.last_progress_ = transfer.context.clock().now();
  std::size_t taken = 0;
  switch (transfer.feed.take(into, size * count, taken)) {
    case BodyFeed::Took::bytes: return taken;
    case BodyFeed::Took::not_yet: return CURL_READFUNC_PAUSE;
    case BodyFeed::Took::failed: return CURL_READFUNC_ABORT;
  }
  return CURL_READFUNC_ABORT;
}

int Transfer::on_seek(void* self, curl_off_t offset, int origin) {
  auto& transfer = *static_cast<Transfer*>(self);
  if (origin != SEEK_SET || offset < 0 ||
      static_cast<std::uint64_t>(offset) > transfer.feed.size()) {
    return CURL_SEEKFUNC_FAIL;
  }
  transfer.repeated_ = true;
  transfer.feed.seek(static_cast<std::uint64_t>(offset));
  return CURL_SEEKFUNC_OK;
}

}  // namespace sharestore::http_client
