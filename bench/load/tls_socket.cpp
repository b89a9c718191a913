#include "bench/load/tls_socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace sharestore::load {
namespace {

// Sent at once when this much has come together.
constexpr std::size_t kSendBytes = std::size_t{256} << 10;

std::string openssl_error(std::string_view what) {
  char text[256] = "closed";
  if (const auto code = ERR_get_error()) ERR_error_string_n(code, text, sizeof text);
  ERR_clear_error();
  return std::string(what) + ": " + text;
}

// base64url of SHA-256 of the key of the server's certificate.
std::string spki_hash_of(SSL* ssl) {
  X509* certificate = SSL_get0_peer_certificate(ssl);
  if (!certificate) return {};
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  if (size <= 0) return {};
  std::array<unsigned char, 33> digest{};  // one more, so that base64 needs no padding
  EVP_Digest(der, static_cast<std::size_t>(size), digest.data(), nullptr, EVP_sha256(), nullptr);
  OPENSSL_free(der);
  std::array<unsigned char, 45> text{};
  EVP_EncodeBlock(text.data(), digest.data(), digest.size());
  std::string hash(reinterpret_cast<char*>(text.data()), 43);
  std::ranges::replace(hash, '+', '-');
  std::ranges::replace(hash, '/', '_');
  return hash;
}

}  // namespace

// The record layer's view of a TlsSocket.
struct TlsSocket::Wire {
  static int read(BIO* bio, char* to, std::size_t size, std::size_t* got) {
    auto* s = static_cast<TlsSocket*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    *got = std::min(size, static_cast<std::size_t>(s->in_end_ - s->in_begin_));
    if (*got == 0) {
      if (!s->in_ended_) BIO_set_retry_read(bio);
      return 0;
    }
    std::memcpy(to, s->in_begin_, *got);
    s->in_begin_ += *got;
    return 1;
  }
  static int write(BIO* bio, const char* from, std::size_t size, std::size_t* done) {
    auto* s = static_cast<TlsSocket*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    const ByteSpan bytes = as_byte_span({from, size});
    s->out_.insert(s->out_.end(), bytes.begin(), bytes.end());
    *done = size;
    return 1;
  }
  static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  static BIO_METHOD* method() {
    static BIO_METHOD* made = [] {
      BIO_METHOD* m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "load");
      BIO_meth_set_read_ex(m, read);
      BIO_meth_set_write_ex(m, write);
      BIO_meth_set_ctrl(m, control);
      return m;
    }();
    return made;
  }
};

Result<std::unique_ptr<TlsClientContext>> TlsClientContext::create(
    const std::string& cipher_suite) {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  if (!context) return fail(Errc::io_error, openssl_error("TLS cannot be set up"));
  std::unique_ptr<TlsClientContext> made(new TlsClientContext(context));
  // The key is compared with the NURL's hash instead.
  SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
  SSL_CTX_sess_set_new_cb(context, [](SSL* ssl, SSL_SESSION* session) {
    static_cast<TlsSocket*>(SSL_get_app_data(ssl))->session_ = Session(session, SSL_SESSION_free);
    return 1;
  });
  if (!cipher_suite.empty() && SSL_CTX_set_ciphersuites(context, cipher_suite.c_str()) != 1) {
    return fail(Errc::invalid_argument, openssl_error("cipher suite " + cipher_suite));
  }
  return made;
}

TlsClientContext::~TlsClientContext() { SSL_CTX_free(context_); }

TlsSocket::~TlsSocket() { close(); }

void TlsSocket::close() {
  if (ssl_) {
    // Without this a session whose connection was cut could not be resumed.
    SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(ssl_);
  }
  ssl_ = nullptr;
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
  out_.clear();
  out_begin_ = 0;
}

bool TlsSocket::open(const Target& target, const Session& session) {
  close();
  target_ = target;
  session_.reset();
  readable_ = hangup_ = writable_ = in_ended_ = false;
  in_begin_ = in_end_ = scratch_.wire.data();
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(target.port);
  inet_pton(AF_INET, target.host.c_str(), &address.sin_addr);
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket_ < 0) {
    fail_with(std::string("socket: ") + std::strerror(errno));
    return false;
  }
  const int on = 1;
  setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  connecting_ = true;
  if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 &&
      errno != EINPROGRESS) {
    fail_with(std::string("connect: ") + std::strerror(errno));
    return false;
  }
  ssl_ = SSL_new(context_.get());
  BIO* bio = BIO_new(Wire::method());
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_, bio, bio);
  SSL_set_app_data(ssl_, this);
  SSL_set_connect_state(ssl_);
  if (session) SSL_set_session(ssl_, session.get());
  return true;
}

void TlsSocket::note_events(unsigned events) {
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) readable_ = true;
  if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) hangup_ = true;
  if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) writable_ = true;
}

TlsSocket::Flow TlsSocket::fail_with(std::string what) {
  error_ = std::move(what);
  return Flow::failed;
}

bool TlsSocket::receive() {
  if (!readable_ || in_ended_) return false;
  const ssize_t count = ::recv(socket_, scratch_.wire.data(), scratch_.wire.size(), 0);
  if (count < 0) {
    readable_ = false;
    if (errno != EAGAIN && errno != EINTR) in_ended_ = true;
    return in_ended_;
  }
  if (count == 0) {
    in_ended_ = true;
    readable_ = false;
    return true;
  }
  // A short count: the socket is empty, unless the end was told already.
  if (static_cast<std::size_t>(count) < scratch_.wire.size() && !hangup_) readable_ = false;
  in_begin_ = scratch_.wire.data();
  in_end_ = in_begin_ + count;
  return true;
}

TlsSocket::Flow TlsSocket::handshake() {
  if (connecting_) {
    if (!writable_) return Flow::blocked;
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return fail_with(std::string("connect: ") + std::strerror(error));
    connecting_ = false;
  }
  for (;;) {
    const int result = SSL_do_handshake(ssl_);
    if (has_output()) {
      if (const Flow sent = flush(); sent == Flow::failed) return sent;
    }
    if (result == 1) return pin(target_) ? Flow::done : Flow::failed;
    if (SSL_get_error(ssl_, result) != SSL_ERROR_WANT_READ) {
      return fail_with(openssl_error("TLS handshake"));
    }
    if (!receive()) return Flow::blocked;
    if (in_ended_) return fail_with("the server closed during the handshake");
  }
}

bool TlsSocket::pin(const Target& target) {
  if (resumed() || spki_hash_of(ssl_) == target.spki_hash) return true;
  fail_with("the server's key is not the NURL's");
  return false;
}

bool TlsSocket::resumed() const { return ssl_ && SSL_session_reused(ssl_) == 1; }

bool TlsSocket::write(ByteSpan bytes) {
  if (out_.size() - out_begin_ >= kSendBytes) return false;
  std::size_t done = 0;
  if (SSL_write_ex(ssl_, bytes.data(), bytes.size(), &done) != 1) {
    error_ = openssl_error("TLS write");
    in_ended_ = true;
  }
  return true;
}

TlsSocket::Flow TlsSocket::flush() {
  while (has_output()) {
    if (!writable_) return Flow::blocked;
    const ssize_t count =
        ::send(socket_, out_.data() + out_begin_, out_.size() - out_begin_, MSG_NOSIGNAL);
    if (count < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return fail_with(std::string("send: ") + std::strerror(errno));
      writable_ = false;
      return Flow::blocked;
    }
    out_begin_ += static_cast<std::size_t>(count);
  }
  out_.clear();
  out_begin_ = 0;
  return Flow::done;
}

TlsSocket::Flow TlsSocket::shut() {
  SSL_shutdown(ssl_);
  ERR_clear_error();
  const Flow sent = flush();
  if (sent == Flow::done) ::shutdown(socket_, SHUT_WR);
  return sent;
}

TlsSocket::Flow TlsSocket::read(ByteSpan& bytes) {
  for (;;) {
    std::size_t got = 0;
    const int result = SSL_read_ex(ssl_, scratch_.text.data(), scratch_.text.size(), &got);
    if (result == 1) {
      bytes = ByteSpan(scratch_.text).first(got);
      return Flow::done;
    }
    const int why = SSL_get_error(ssl_, result);
    if (why == SSL_ERROR_ZERO_RETURN || (in_ended_ && in_begin_ == in_end_)) {
      ERR_clear_error();
      return Flow::ended;
    }
    if (why != SSL_ERROR_WANT_READ) return fail_with(openssl_error("TLS read"));
    if (!receive()) return Flow::blocked;
  }
}

}  // namespace sharestore::load
