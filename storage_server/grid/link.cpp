#include "storage_server/grid/link.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <new>
#include <optional>
#include <utility>

#include "backends/core/base32.h"
#include "backends/core/openssl_objects.h"

namespace sharestore::grid {

namespace asio = boost::asio;
using asio::ip::tcp;
using asio::experimental::awaitable_operators::operator||;

namespace {

using ContextPtr = std::unique_ptr<SSL_CTX, OpenSslFree<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, OpenSslFree<SSL_free>>;

// What a call without waiting came to.
enum class Step : std::uint8_t { done, ended, want_read, want_write, failed };

struct Outcome {
  Step step = Step::failed;
  std::size_t bytes = 0;
  std::string failure;
};

Outcome failed(std::string what) { return {Step::failed, 0, std::move(what)}; }

Outcome socket_outcome(ssize_t result, Step when_blocked) {
  if (result > 0) return {Step::done, static_cast<std::size_t>(result), {}};
  if (result == 0) return {Step::ended, 0, {}};
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return {when_blocked, 0, {}};
  return failed(std::strerror(errno));
}

// `result` of an SSL call on `ssl`, with OpenSSL's error queue empty before it.
Outcome tls_outcome(SSL* ssl, int result, std::size_t bytes) {
  if (result > 0) return {Step::done, bytes, {}};
  const int system_error = errno;
  switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ: return {Step::want_read, 0, {}};
    case SSL_ERROR_WANT_WRITE: return {Step::want_write, 0, {}};
    case SSL_ERROR_ZERO_RETURN: return {Step::ended, 0, {}};
    default: break;
  }
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  // Most peers just close; Foolscap does.
  if (ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING) return {Step::ended, 0, {}};
  const char* reason = ERR_reason_error_string(code);
  if (reason != nullptr) return failed(fmt::format("TLS: {}", reason));
  if (system_error != 0) return failed(std::strerror(system_error));
  return {Step::ended, 0, {}};
}

}  // namespace

struct TlsIdentity::Context {
  ContextPtr context;
};

TlsIdentity::TlsIdentity(std::unique_ptr<Context> context) : context_(std::move(context)) {}
TlsIdentity::~TlsIdentity() = default;

Result<std::shared_ptr<const TlsIdentity>> TlsIdentity::make(std::string_view certificate_pem,
                                                             const Secret& key_pem) {
  ERR_clear_error();
  const CertificatePtr certificate = next_certificate(bio_reader(certificate_pem));
  const KeyPtr key = private_key_of(key_pem.reveal());
  auto made = std::make_unique<Context>();
  made->context.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* context = made->context.get();
  if (context == nullptr) throw std::bad_alloc();
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  // Any certificate: the tub id of the FURL decides, and that is not in it.
  SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  const bool usable = certificate && key &&
                      SSL_CTX_use_certificate(context, certificate.get()) == 1 &&
                      SSL_CTX_use_PrivateKey(context, key.get()) == 1;
  ERR_clear_error();
  if (!usable) {
    return fail(Errc::invalid_argument, "OpenSSL does not take the node's certificate and key");
  }
  return std::shared_ptr<const TlsIdentity>(new TlsIdentity(std::move(made)));
}

struct Link::State {
  State(const asio::any_io_executor& executor, Clock& time) : socket(executor), clock(time) {}

  asio::awaitable<void> ready(tcp::socket::wait_type what) {
    co_await socket.async_wait(what, asio::as_tuple(asio::use_awaitable));
  }

  // Waits for what the step wants; timed_out when the deadline had passed before.
  asio::awaitable<Status> wait_for(Step step, Monotonic deadline) {
    if (clock.now() >= deadline) co_return fail(Errc::timed_out, "the peer is silent");
    const auto what = step == Step::want_read ? tcp::socket::wait_read : tcp::socket::wait_write;
    co_await (ready(what) || clock.sleep_until(deadline));
    co_return Status{};
  }

  // Tries until done; the outcome is then `done` or `ended`.
  template <class Try>
  asio::awaitable<Result<Outcome>> until_done(Try attempt, Monotonic deadline) {
    for (;;) {
      Outcome outcome = attempt();
      if (outcome.step == Step::done || outcome.step == Step::ended) co_return outcome;
      if (outcome.step == Step::failed) co_return fail(Errc::unavailable, outcome.failure);
      if (auto waited = co_await wait_for(outcome.step, deadline); !waited) {
        co_return fail(waited.error());
      }
    }
  }

  Outcome read_now(std::span<char> into) {
    errno = 0;
    if (!ssl) {
      return socket_outcome(::recv(socket.native_handle(), into.data(), into.size(), 0),
                            Step::want_read);
    }
    ERR_clear_error();
    std::size_t bytes = 0;
    const int result = SSL_read_ex(ssl.get(), into.data(), into.size(), &bytes);
    return tls_outcome(ssl.get(), result, bytes);
  }

  Outcome write_now(std::string_view bytes) {
    errno = 0;
    if (!ssl) {
      return socket_outcome(
          ::send(socket.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
          Step::want_write);
    }
    ERR_clear_error();
    std::size_t written = 0;
    const int result = SSL_write_ex(ssl.get(), bytes.data(), bytes.size(), &written);
    return tls_outcome(ssl.get(), result, written);
  }

  tcp::socket socket;
  Clock& clock;
  std::shared_ptr<const TlsIdentity> identity;
  SslPtr ssl;
};

Link::Link(std::unique_ptr<State> state) : state_(std::move(state)) {}
Link::~Link() = default;

namespace {

asio::awaitable<void> connect_socket(tcp::socket& socket, tcp::endpoint endpoint,
                                     std::optional<boost::system::error_code>& outcome) {
  auto [error] = co_await socket.async_connect(endpoint, asio::as_tuple(asio::use_awaitable));
  outcome = error;
}

}  // namespace

asio::awaitable<Result<std::unique_ptr<Link>>> Link::connect(asio::ip::address address,
                                                             std::uint16_t port, Clock& clock,
                                                             Monotonic deadline) {
  auto state = std::make_unique<State>(co_await asio::this_coro::executor, clock);
  std::optional<boost::system::error_code> outcome;
  co_await (connect_socket(state->socket, {address, port}, outcome) || clock.sleep_until(deadline));
  if (!outcome || *outcome == asio::error::operation_aborted) {
    co_return fail(Errc::timed_out, "the peer does not answer");
  }
  if (*outcome) co_return fail(Errc::unavailable, outcome->message());
  state->socket.native_non_blocking(true);
  state->socket.set_option(tcp::no_delay(true));
  co_return std::unique_ptr<Link>(new Link(std::move(state)));
}

asio::awaitable<Status> Link::start_tls(std::shared_ptr<const TlsIdentity> identity,
                                        Monotonic deadline) {
  State& state = *state_;
  state.identity = std::move(identity);
  state.ssl.reset(SSL_new(state.identity->context_->context.get()));
  if (!state.ssl || SSL_set_fd(state.ssl.get(), state.socket.native_handle()) != 1) {
    throw std::bad_alloc();
  }
  const auto shaken = co_await state.until_done(
      [&state] {
        errno = 0;
        ERR_clear_error();
        return tls_outcome(state.ssl.get(), SSL_connect(state.ssl.get()), 0);
      },
      deadline);
  if (!shaken) co_return fail(shaken.error());
  if (shaken->step == Step::ended) {
    co_return fail(Errc::unavailable, "the peer closed the connection in the TLS handshake");
  }
  co_return Status{};
}

std::string Link::peer_tub_id() const {
  const CertificatePtr certificate(SSL_get1_peer_certificate(state_->ssl.get()));
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (!certificate || X509_digest(certificate.get(), EVP_sha1(), digest.data(), &size) != 1) {
    return {};
  }
  return base32_encode({reinterpret_cast<const char*>(digest.data()), size});
}

asio::awaitable<Result<std::size_t>> Link::read(std::span<char> into, Monotonic deadline) {
  State& state = *state_;
  const auto outcome =
      co_await state.until_done([&state, into] { return state.read_now(into); }, deadline);
  if (!outcome) co_return fail(outcome.error());
  co_return outcome->bytes;
}

asio::awaitable<Status> Link::write(std::string_view bytes, Monotonic deadline) {
  State& state = *state_;
  while (!bytes.empty()) {
    const auto outcome =
        co_await state.until_done([&state, bytes] { return state.write_now(bytes); }, deadline);
    if (!outcome) co_return fail(outcome.error());
    if (outcome->step == Step::ended) {
      co_return fail(Errc::unavailable, "the peer closed the connection");
    }
    bytes.remove_prefix(outcome->bytes);
  }
  co_return Status{};
}

}  // namespace sharestore::grid
