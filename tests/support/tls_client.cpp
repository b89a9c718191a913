#include "tests/support/tls_client.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>

namespace sharestore::test {
namespace {

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) ==
           std::tolower(static_cast<unsigned char>(y));
  });
}

std::unexpected<Error> socket_failure(std::string_view what) {
  if (errno == EAGAIN || errno == EWOULDBLOCK) {
    return fail(Errc::timed_out, fmt::format("{}: nothing came in time", what));
  }
  return fail(Errc::unavailable, fmt::format("{}: {}", what, std::strerror(errno)));
}

Result<int> connect_socket(const TlsClientOptions& options) {
  sockaddr_storage address{};
  socklen_t size = 0;
  if (!options.unix_path.empty()) {
    auto* path = reinterpret_cast<sockaddr_un*>(&address);
    path->sun_family = AF_UNIX;
    if (options.unix_path.size() >= sizeof path->sun_path) {
      return fail(Errc::invalid_argument, "unix path too long");
    }
    std::memcpy(path->sun_path, options.unix_path.c_str(), options.unix_path.size() + 1);
    size = sizeof *path;
  } else if (auto* v4 = reinterpret_cast<sockaddr_in*>(&address);
             inet_pton(AF_INET, options.host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(options.port);
    size = sizeof *v4;
  } else if (auto* v6 = reinterpret_cast<sockaddr_in6*>(&address);
             inet_pton(AF_INET6, options.host.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(options.port);
    size = sizeof *v6;
  } else {
    return fail(Errc::invalid_argument, "not a numeric address: " + options.host);
  }
  int fd = ::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return socket_failure("socket");
  if (options.receive_buffer_bytes > 0) {
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &options.receive_buffer_bytes,
               sizeof options.receive_buffer_bytes);
  }
  auto count = options.timeout.count();
  timeval limit{.tv_sec = count / 1000, .tv_usec = (count % 1000) * 1000};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), size) != 0) {
    auto failure = socket_failure("connect");
    ::close(fd);
    return failure;
  }
  return fd;
}

}  // namespace

struct TlsClient::State {
  TlsClientOptions options;
  int fd = -1;
  ssl_ctx_st* context = nullptr;
  ssl_st* ssl = nullptr;
  std::string buffer;  // received, not yet consumed
  bool at_end = false;
  std::shared_ptr<ssl_session_st> newest;

  ~State() {
    // Without this a session of a connection that was not closed in order could not be resumed.
    if (ssl) SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(ssl);
    SSL_CTX_free(context);
    if (fd >= 0) ::close(fd);
  }
};

std::optional<std::string> HttpAnswer::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (same_name(key, name)) return value;
  }
  return std::nullopt;
}

std::size_t HttpAnswer::count(std::string_view name) const {
  return static_cast<std::size_t>(std::count_if(
      headers.begin(), headers.end(), [&](const auto& h) { return same_name(h.first, name); }));
}

TlsClient::TlsClient(std::unique_ptr<State> state) : state_(std::move(state)) {}
TlsClient::TlsClient(TlsClient&&) noexcept = default;
TlsClient& TlsClient::operator=(TlsClient&&) noexcept = default;
TlsClient::~TlsClient() = default;

Result<TlsClient> TlsClient::connect(const TlsClientOptions& options) {
  auto client = connect_silent(options);
  if (!client) return client;
  if (options.tls) {
    if (auto status = client->start_tls(); !status) return fail(status.error());
  }
  return client;
}

Result<TlsClient> TlsClient::connect_silent(const TlsClientOptions& options) {
  // OpenSSL writes without MSG_NOSIGNAL.
  static const auto ignored = std::signal(SIGPIPE, SIG_IGN);
  (void)ignored;
  auto fd = connect_socket(options);
  if (!fd) return fail(fd.error());
  auto state = std::make_unique<State>();
  state->options = options;
  state->fd = *fd;
  return TlsClient(std::move(state));
}

Status TlsClient::start_tls() {
  State& s = *state_;
  ERR_clear_error();
  s.context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_verify(s.context, SSL_VERIFY_NONE, nullptr);
  if (s.options.allow_weak) SSL_CTX_set_cipher_list(s.context, "DEFAULT:@SECLEVEL=0");
  if (s.options.min_version) SSL_CTX_set_min_proto_version(s.context, s.options.min_version);
  if (s.options.max_version) SSL_CTX_set_max_proto_version(s.context, s.options.max_version);
  SSL_CTX_set_session_cache_mode(s.context,
                                 SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
  SSL_CTX_sess_set_new_cb(s.context, [](ssl_st* ssl, ssl_session_st* session) {
    static_cast<State*>(SSL_get_app_data(ssl))->newest = {session, SSL_SESSION_free};
    return 1;
  });
  s.ssl = SSL_new(s.context);
  SSL_set_app_data(s.ssl, &s);
  std::string protocols;
  for (const auto& name : s.options.alpn) {
    protocols += static_cast<char>(name.size());
    protocols += name;
  }
  if (!protocols.empty()) {
    SSL_set_alpn_protos(s.ssl, reinterpret_cast<const unsigned char*>(protocols.data()),
                        static_cast<unsigned>(protocols.size()));
  }
  if (s.options.session) SSL_set_session(s.ssl, s.options.session.get());
  SSL_set_fd(s.ssl, s.fd);
  if (int r = SSL_connect(s.ssl); r != 1) {
    char text[256] = "closed";
    if (auto code = ERR_get_error()) ERR_error_string_n(code, text, sizeof text);
    ERR_clear_error();
    return fail(Errc::unavailable, fmt::format("TLS handshake: {}", text));
  }
  return {};
}

Status TlsClient::send(std::string_view bytes) {
  State& s = *state_;
  while (!bytes.empty()) {
    ssize_t n = 0;
    if (s.ssl) {
      std::size_t done = 0;
      ERR_clear_error();
      n = SSL_write_ex(s.ssl, bytes.data(), bytes.size(), &done) == 1 ? static_cast<ssize_t>(done)
                                                                      : -1;
    } else {
      n = ::send(s.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    }
    if (n <= 0) return socket_failure("send");
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

Status TlsClient::send_raw(std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t n = ::send(state_->fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return socket_failure("send");
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

Result<std::string> TlsClient::read_some(std::size_t max_bytes) {
  State& s = *state_;
  if (!s.buffer.empty()) {
    std::string out = s.buffer.substr(0, max_bytes);
    s.buffer.erase(0, out.size());
    return out;
  }
  std::string out(max_bytes, '\0');
  if (s.ssl) {
    std::size_t got = 0;
    ERR_clear_error();
    int r = SSL_read_ex(s.ssl, out.data(), out.size(), &got);
    if (r != 1) {
      int why = SSL_get_error(s.ssl, r);
      if (why == SSL_ERROR_ZERO_RETURN) return std::string();
      if (why == SSL_ERROR_SYSCALL && errno != 0) return socket_failure("read");
      if (why == SSL_ERROR_WANT_READ) return fail(Errc::timed_out, "read: nothing came in time");
      char text[256] = "closed without close_notify";
      if (auto code = ERR_get_error()) ERR_error_string_n(code, text, sizeof text);
      return fail(Errc::unavailable, fmt::format("TLS read: {}", text));
    }
    out.resize(got);
    return out;
  }
  ssize_t n = ::recv(s.fd, out.data(), out.size(), 0);
  if (n < 0) return socket_failure("recv");
  out.resize(static_cast<std::size_t>(n));
  return out;
}

Result<std::string> TlsClient::read_raw_to_end() {
  std::string all;
  char piece[4096];
  for (;;) {
    ssize_t n = ::recv(state_->fd, piece, sizeof piece, 0);
    if (n == 0) return all;
    if (n < 0) return socket_failure("recv");
    all.append(piece, static_cast<std::size_t>(n));
  }
}

bool TlsClient::wait_closed() {
  for (;;) {
    auto piece = read_some();
    if (!piece) return false;
    if (piece->empty()) return true;
  }
}

Status TlsClient::fill() {
  State& s = *state_;
  if (s.at_end) return fail(Errc::unavailable, "the server closed before the answer was complete");
  std::string held = std::move(s.buffer);
  s.buffer.clear();
  auto more = read_some();
  s.buffer = std::move(held);
  if (!more) return fail(more.error());
  if (more->empty()) s.at_end = true;
  s.buffer += *more;
  if (s.at_end) return fail(Errc::unavailable, "the server closed before the answer was complete");
  return {};
}

Result<std::string> TlsClient::take(std::size_t bytes) {
  while (state_->buffer.size() < bytes) {
    if (auto status = fill(); !status) return fail(status.error());
  }
  std::string out = state_->buffer.substr(0, bytes);
  state_->buffer.erase(0, bytes);
  return out;
}

Result<std::string> TlsClient::take_line() {
  std::size_t at = 0;
  while ((at = state_->buffer.find("\r\n")) == std::string::npos) {
    if (auto status = fill(); !status) return fail(status.error());
  }
  auto line = take(at + 2);
  if (line) line->resize(at);
  return line;
}

Result<HttpAnswer> TlsClient::read_head() {
  HttpAnswer answer;
  auto status_line = take_line();
  if (!status_line) return fail(status_line.error());
  answer.head = *status_line + "\r\n";
  if (status_line->size() < 12 || !status_line->starts_with("HTTP/1.") ||
      (*status_line)[8] != ' ') {
    return fail(Errc::invalid_argument, "not a status line: " + *status_line);
  }
  answer.version = status_line->substr(0, 8);
  answer.status = std::stoi(status_line->substr(9, 3));
  if (status_line->size() > 13) answer.reason = status_line->substr(13);
  for (;;) {
    auto line = take_line();
    if (!line) return fail(line.error());
    answer.head += *line + "\r\n";
    if (line->empty()) return answer;
    auto colon = line->find(": ");
    if (colon == std::string::npos || colon == 0) {
      return fail(Errc::invalid_argument, "not a header line: " + *line);
    }
    answer.headers.emplace_back(line->substr(0, colon), line->substr(colon + 2));
  }
}

Result<std::string> TlsClient::take_body(const HttpAnswer& answer) {
  if (auto length = answer.header("content-length")) {
    if (answer.count("content-length") != 1) {
      return fail(Errc::invalid_argument, "Content-Length given twice");
    }
    return take(std::stoull(*length));
  }
  std::string body;
  if (auto coding = answer.header("transfer-encoding"); coding && *coding == "chunked") {
    for (;;) {
      auto line = take_line();
      if (!line) return fail(line.error());
      std::size_t size = std::stoull(*line, nullptr, 16);
      auto chunk = take(size);
      if (!chunk) return chunk;
      body += *chunk;
      auto end = take_line();
      if (!end) return end;
      if (size == 0) return body;
    }
  }
  for (;;) {
    auto piece = read_some();
    if (!piece) return piece;
    if (piece->empty()) return body;
    body += *piece;
  }
}

Result<HttpAnswer> TlsClient::read_answer(bool to_head_request) {
  bool saw_continue = false;
  for (;;) {
    auto answer = read_head();
    if (!answer) return answer;
    if (answer->status == 100) {
      saw_continue = true;
      continue;
    }
    answer->saw_continue = saw_continue;
    if (to_head_request || answer->status == 204 || answer->status == 304) return answer;
    auto body = take_body(*answer);
    if (!body) return fail(body.error());
    answer->body = std::move(*body);
    return answer;
  }
}

std::string TlsClient::format_request(std::string_view method, std::string_view target,
                                      const HeaderList& headers, std::string_view body) {
  std::string text = fmt::format("{} {} HTTP/1.1\r\nHost: node\r\n", method, target);
  for (const auto& [name, value] : headers) text += fmt::format("{}: {}\r\n", name, value);
  if (!body.empty() || method == "POST" || method == "PUT" || method == "PATCH") {
    text += fmt::format("Content-Length: {}\r\n", body.size());
  }
  text += "\r\n";
  text += body;
  return text;
}

Result<HttpAnswer> TlsClient::request(std::string_view method, std::string_view target,
                                      const HeaderList& headers, std::string_view body) {
  if (auto status = send(format_request(method, target, headers, body)); !status) {
    return fail(status.error());
  }
  return read_answer(method == "HEAD");
}

std::string TlsClient::tls_version() const {
  return state_->ssl ? SSL_get_version(state_->ssl) : "";
}

std::string TlsClient::alpn() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  if (state_->ssl) SSL_get0_alpn_selected(state_->ssl, &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

bool TlsClient::resumed() const { return state_->ssl && SSL_session_reused(state_->ssl) == 1; }

std::shared_ptr<ssl_session_st> TlsClient::session() const { return state_->newest; }

std::string TlsClient::peer_certificate_pem() const {
  X509* certificate = state_->ssl ? SSL_get1_peer_certificate(state_->ssl) : nullptr;
  if (!certificate) return {};
  BIO* memory = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(memory, certificate);
  char* data = nullptr;
  long size = BIO_get_mem_data(memory, &data);
  std::string pem(data, static_cast<std::size_t>(size));
  BIO_free(memory);
  X509_free(certificate);
  return pem;
}

int TlsClient::fd() const { return state_->fd; }

void TlsClient::shutdown_write() {
  if (state_->ssl) SSL_shutdown(state_->ssl);
  ::shutdown(state_->fd, SHUT_WR);
}

void TlsClient::close() {
  if (state_->ssl) SSL_shutdown(state_->ssl);
  ::close(std::exchange(state_->fd, -1));
}

void TlsClient::reset() {
  linger now{.l_onoff = 1, .l_linger = 0};
  setsockopt(state_->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  ::close(std::exchange(state_->fd, -1));
}

}  // namespace sharestore::test
