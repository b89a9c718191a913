#include "tests/support/fake_http_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

namespace sharestore::test {

namespace {

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return text;
}

void require(bool good, const char* what) {
  if (!good) throw std::runtime_error(what);
}

std::shared_ptr<ssl_ctx_st> make_tls(std::string& certificate_pem) {
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"), EVP_PKEY_free);
  std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), X509_free);
  require(key && certificate, "no certificate");
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -86400);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 86400);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* name = X509_get_subject_name(certificate.get());
  const std::string common = "a store for tests";
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(common.data()),
                             static_cast<int>(common.size()), -1, 0);
  X509_set_issuer_name(certificate.get(), name);
  X509_EXTENSION* names =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "IP:127.0.0.1");
  require(names != nullptr, "no alternative name");
  X509_add_ext(certificate.get(), names, -1);
  X509_EXTENSION_free(names);
  require(X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0, "not signed");
  std::shared_ptr<ssl_ctx_st> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  require(context != nullptr, "no TLS");
  SSL_CTX_use_certificate(context.get(), certificate.get());
  SSL_CTX_use_PrivateKey(context.get(), key.get());
  std::unique_ptr<BIO, decltype(&BIO_free_all)> memory(BIO_new(BIO_s_mem()), BIO_free_all);
  PEM_write_bio_X509(memory.get(), certificate.get());
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &data);
  certificate_pem.assign(data, static_cast<std::size_t>(size));
  return context;
}

const char* reason_of(int status) { return status < 400 ? "OK" : "Refused"; }

}  // namespace

// --- requests ---------------------------------------------------------------------------------

std::string percent_decode(std::string_view text) {
  std::string decoded;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '%' && at + 2 < text.size()) {
      decoded += static_cast<char>(std::stoi(std::string(text.substr(at + 1, 2)), nullptr, 16));
      at += 2;
    } else {
      decoded += text[at];
    }
  }
  return decoded;
}

std::string FakeRequest::header(std::string_view name) const {
  const auto found = std::ranges::find(headers, name, &Pairs::value_type::first);
  return found == headers.end() ? std::string() : found->second;
}

bool FakeRequest::has_header(std::string_view name) const {
  return std::ranges::find(headers, name, &Pairs::value_type::first) != headers.end();
}

std::string FakeRequest::raw_path() const { return target.substr(0, target.find('?')); }
std::string FakeRequest::path() const { return percent_decode(raw_path()); }

FakeRequest::Pairs FakeRequest::query() const {
  Pairs pairs;
  const auto mark = target.find('?');
  if (mark == std::string::npos) return pairs;
  std::string_view rest = std::string_view(target).substr(mark + 1);
  while (!rest.empty()) {
    const auto end = rest.find('&');
    const std::string_view part = rest.substr(0, end);
    const auto equals = part.find('=');
    pairs.emplace_back(
        percent_decode(part.substr(0, equals)),
        equals == std::string_view::npos ? "" : percent_decode(part.substr(equals + 1)));
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  }
  return pairs;
}

std::string FakeRequest::parameter(std::string_view name) const {
  for (const auto& [held, value] : query()) {
    if (held == name) return value;
  }
  return {};
}

bool FakeRequest::has_parameter(std::string_view name) const {
  const Pairs pairs = query();
  return std::ranges::find(pairs, name, &Pairs::value_type::first) != pairs.end();
}

// --- connections ------------------------------------------------------------------------------

class FakeHttpServer::Stream {
 public:
  Stream(int fd, ssl_ctx_st* tls) : fd_(fd) {
    if (tls == nullptr) return;
    ssl_.reset(SSL_new(tls));
    SSL_set_fd(ssl_.get(), fd);
    good_ = SSL_accept(ssl_.get()) == 1;
  }
  bool good() const { return good_; }

  bool read_request(FakeRequest& request) {
    std::size_t end = std::string::npos;
    while ((end = held_.find("\r\n\r\n")) == std::string::npos) {
      if (!fill()) return false;
    }
    const std::string head = held_.substr(0, end + 2);
    held_.erase(0, end + 4);
    std::size_t at = head.find("\r\n");
    const std::string first = head.substr(0, at);
    request.method = first.substr(0, first.find(' '));
    request.target = first.substr(first.find(' ') + 1);
    request.target.resize(request.target.rfind(' '));
    for (at += 2; at < head.size();) {
      const std::size_t next = head.find("\r\n", at);
      const std::string line = head.substr(at, next - at);
      const std::size_t colon = line.find(':');
      std::string value = line.substr(colon + 1);
      value.erase(0, value.find_first_not_of(' '));
      request.headers.emplace_back(lower(line.substr(0, colon)), std::move(value));
      at = next + 2;
    }
    const std::string length = request.header("content-length");
    const std::size_t bytes = length.empty() ? 0 : std::stoull(length);
    while (held_.size() < bytes) {
      if (!fill()) return false;
    }
    request.body = held_.substr(0, bytes);
    held_.erase(0, bytes);
    return true;
  }

  bool write(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = ssl_ ? SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()))
                             : ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

 private:
  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };

  bool fill() {
    char buffer[65536];
    const auto got =
        ssl_ ? SSL_read(ssl_.get(), buffer, sizeof buffer) : ::recv(fd_, buffer, sizeof buffer, 0);
    if (got <= 0) return false;
    held_.append(buffer, static_cast<std::size_t>(got));
    return true;
  }

  const int fd_;
  std::unique_ptr<SSL, Free> ssl_;
  bool good_ = true;
  std::string held_;
};

FakeHttpServer::FakeHttpServer(Handler handler, bool tls) : handler_(std::move(handler)) {
  if (tls) tls_ = make_tls(certificate_pem_);
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  require(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
              ::listen(listener_, 128) == 0 &&
              ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0,
          "no port to listen on");
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept(); });
}

FakeHttpServer::~FakeHttpServer() {
  {
    const std::lock_guard hold(mutex_);
    stopping_ = true;
    for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
  }
  stopped_.notify_all();
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  for (std::thread& thread : threads_) thread.join();
  ::close(listener_);
}

std::string FakeHttpServer::origin() const {
  return fmt::format("{}://127.0.0.1:{}", tls_ ? "https" : "http", port_);
}

void FakeHttpServer::accept() {
  while (true) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const std::lock_guard hold(mutex_);
    if (fd < 0 || stopping_) {
      if (fd >= 0) ::close(fd);
      return;
    }
    open_.push_back(fd);
    const std::size_t number = ++connections_;
    threads_.emplace_back([this, fd, number] { serve(fd, number); });
  }
}

void FakeHttpServer::serve(int fd, std::size_t number) {
  {
    Stream stream(fd, tls_.get());
    while (stream.good()) {
      FakeRequest request;
      request.connection = number;
      if (!stream.read_request(request)) break;
      ++requests_;
      if (!answer(stream, request)) break;
    }
  }
  const std::lock_guard hold(mutex_);
  open_.remove(fd);
  ::close(fd);
}

bool FakeHttpServer::answer(Stream& stream, const FakeRequest& request) {
  using End = FakeReply::End;
  const auto came = std::chrono::steady_clock::now();
  FakeReply reply = handler_(request);
  if (request.has_header("expect") || request.has_header("transfer-encoding")) {
    reply = {.status = 417, .headers = {}, .body = "no Expect and no chunks here", .end = {}};
  }
  if (reply.end == End::reset) return false;
  if (reply.end == End::stall) stall();
  std::string head = fmt::format("HTTP/1.1 {} {}\r\n", reply.status, reason_of(reply.status));
  for (const auto& [name, value] : reply.headers) head += fmt::format("{}: {}\r\n", name, value);
  const bool counted =
      std::ranges::find(reply.headers, "Content-Length", &FakeRequest::Pairs::value_type::first) !=
      reply.headers.end();
  if (!counted && reply.status != 204) {
    head += fmt::format("Content-Length: {}\r\n", reply.body.size());
  }
  head += "\r\n";
  std::string_view body = reply.body;
  if (request.method == "HEAD") body = {};
  const bool partly = reply.end == End::cut || reply.end == End::stall_in_body;
  if (partly) body = body.substr(0, body.size() / 2);
  // At once: two writes would wait for each other's acknowledgement.
  head.append(body);
  if (pace_) wait_until(came + pace_(request));
  if (!stream.write(head)) return false;
  if (reply.end == End::stall_in_body) stall();
  return reply.end == End::keep;
}

void FakeHttpServer::stall() {
  std::unique_lock hold(mutex_);
  stopped_.wait(hold, [this] { return stopping_; });
}

void FakeHttpServer::wait_until(std::chrono::steady_clock::time_point due) {
  std::unique_lock hold(mutex_);
  stopped_.wait_until(hold, due, [this] { return stopping_; });
}

}  // namespace sharestore::test
