// A TCP connection to a Foolscap peer that turns into TLS on the way.
//
// One coroutine at a time; every call ends by its deadline on the given clock. Cancelling the
// coroutine ends a wait, and the next co_await throws operation_aborted, as Asio has it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "backends/core/clock.h"
#include "backends/core/error.h"
#include "backends/core/secret.h"

namespace sharestore::grid {

// Our certificate and key, ready for TLS. Immutable; any thread.
class TlsIdentity {
 public:
  // invalid_argument: OpenSSL does not take them.
  static Result<std::shared_ptr<const TlsIdentity>> make(std::string_view certificate_pem,
                                                         const Secret& key_pem);
  ~TlsIdentity();
  TlsIdentity(const TlsIdentity&) = delete;
  TlsIdentity& operator=(const TlsIdentity&) = delete;

 private:
  friend class Link;
  struct Context;
  explicit TlsIdentity(std::unique_ptr<Context> context);
  std::unique_ptr<Context> context_;
};

class Link {
 public:
  // unavailable: refused or unreachable; timed_out. `clock` outlives the link.
  static boost::asio::awaitable<Result<std::unique_ptr<Link>>> connect(
      boost::asio::ip::address address, std::uint16_t port, Clock& clock, Monotonic deadline);
  // Ends the connection at once.
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  // From here on TLS, as its client and with our certificate. The peer's certificate is taken
  // whatever it says: peer_tub_id() tells whose it is.
  boost::asio::awaitable<Status> start_tls(std::shared_ptr<const TlsIdentity> identity,
                                           Monotonic deadline);
  // base32 of the SHA-1 of the peer's certificate, after start_tls.
  std::string peer_tub_id() const;

  // At least one byte; 0 at the end of the stream. timed_out: nothing came; nothing is lost, read
  // again. unavailable: the connection broke.
  boost::asio::awaitable<Result<std::size_t>> read(std::span<char> into, Monotonic deadline);
  // All of it. timed_out and unavailable end the connection.
  boost::asio::awaitable<Status> write(std::string_view bytes, Monotonic deadline);

 private:
  struct State;
  explicit Link(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace sharestore::grid
