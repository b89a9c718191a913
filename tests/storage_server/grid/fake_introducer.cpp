#include "tests/storage_server/grid/fake_introducer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <utility>

#include "backends/core/base32.h"
#include "tests/storage_server/grid/wire.h"

namespace sharestore::grid {

namespace {

void require(bool ok) {
  if (!ok) std::abort();
}

X509* certificate_of(const test::TestCertificate& from) {
  BIO* bio = BIO_new_mem_buf(from.certificate_pem.data(), -1);
  X509* certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  require(certificate != nullptr);
  return certificate;
}

std::string tub_id_of(const X509* certificate) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  require(X509_digest(certificate, EVP_sha1(), digest.data(), &size) == 1);
  return base32_encode({reinterpret_cast<const char*>(digest.data()), size});
}

std::shared_ptr<SSL_CTX> make_context(const test::TestCertificate& from) {
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  X509* certificate = certificate_of(from);
  require(SSL_CTX_use_certificate(context.get(), certificate) == 1);
  X509_free(certificate);
  BIO* bio = BIO_new_mem_buf(from.key_pem.data(), -1);
  EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  require(SSL_CTX_use_PrivateKey(context.get(), key) == 1);
  EVP_PKEY_free(key);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                     [](int, X509_STORE_CTX*) { return 1; });
  return context;
}

}  // namespace

std::string tub_id_of(const test::TestCertificate& certificate) {
  X509* parsed = certificate_of(certificate);
  std::string id = tub_id_of(parsed);
  X509_free(parsed);
  return id;
}

FakePeer::~FakePeer() {
  SSL_free(ssl_);
  ::close(fd_);
}

bool FakePeer::read_request() { return read_until("\r\n\r\n"); }

bool FakePeer::send(std::string_view bytes) {
  if (ssl_ != nullptr) {
    return SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())) > 0;
  }
  return ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(bytes.size());
}

bool FakePeer::start_tls() {
  ssl_ = SSL_new(context_);
  SSL_set_fd(ssl_, fd_);
  return SSL_accept(ssl_) == 1;
}

std::string FakePeer::client_tub_id() const {
  const X509* certificate = SSL_get0_peer_certificate(ssl_);
  return certificate == nullptr ? std::string() : tub_id_of(certificate);
}

bool FakePeer::read_until(std::string_view end) {
  received_.clear();
  std::array<char, 4096> piece{};
  while (!received_.ends_with(end)) {
    const ssize_t got = ssl_ != nullptr
                            ? SSL_read(ssl_, piece.data(), static_cast<int>(piece.size()))
                            : ::recv(fd_, piece.data(), piece.size(), 0);
    if (got <= 0) return false;
    received_.append(piece.data(), static_cast<std::size_t>(got));
  }
  return true;
}

bool FakePeer::wait_closed() { return !read_until(std::string(1, '\0') + "never"); }

bool FakePeer::negotiate(std::string_view own_tub_id) {
  if (!read_request() ||
      !send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: TLS/1.0, PB/1.0\r\n"
            "Connection: Upgrade\r\n\r\n") ||
      !start_tls() || !read_until("\r\n\r\n")) {
    return false;
  }
  std::string blocks =
      "banana-negotiation-range: 3 3\r\ninitial-vocab-table-range: 0 1\r\n"
      "my-incarnation: 5fda3f5c1568c1b2\r\nmy-tub-id: " +
      std::string(own_tub_id) + "\r\n\r\n";
  if (own_tub_id > client_tub_id()) {
    blocks +=
        "banana-decision-version: 3\r\ncurrent-connection: 5fda3f5c1568c1b2 1\r\n"
        "initial-vocab-table-index: 1 bb33\r\n\r\n";
  }
  return send(blocks) && read_until(wire("0189 0089"));
}

bool FakePeer::accept_announcement() {
  return send(captured_reference()) && read_until(wire("0389 0289")) && send(captured_version()) &&
         read_until(wire("0589 0489")) && send(captured_accepted());
}

FakeIntroducer::FakeIntroducer(Script script) : script_(std::move(script)) {
  const test::TestCertificate certificate = test::make_test_certificate();
  context_ = make_context(certificate);
  tub_id_ = tub_id_of(certificate);
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  require(::bind(listener_, generic, sizeof address) == 0 && ::listen(listener_, 16) == 0);
  socklen_t size = sizeof address;
  ::getsockname(listener_, generic, &size);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

FakeIntroducer::~FakeIntroducer() {
  stopping_ = true;
  ::shutdown(listener_, SHUT_RDWR);
  {
    const std::lock_guard lock(mutex_);
    if (open_ >= 0) ::shutdown(open_, SHUT_RDWR);
  }
  thread_.join();
  ::close(listener_);
}

void FakeIntroducer::serve() {
  while (!stopping_) {
    const int fd = ::accept(listener_, nullptr, nullptr);
    if (fd < 0) continue;
    const timeval patience{.tv_sec = 20, .tv_usec = 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    {
      const std::lock_guard lock(mutex_);
      open_ = fd;
    }
    FakePeer peer(fd, context_.get());
    if (!stopping_) script_(peer, ++connections_);
    const std::lock_guard lock(mutex_);
    open_ = -1;
  }
}

}  // namespace sharestore::grid
