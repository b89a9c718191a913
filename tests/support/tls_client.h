// A blocking TLS (or plain TCP, or unix socket) client for tests: sends arbitrary bytes, reads HTTP
// answers strictly, and can be as rude as a test needs.
//
// One thread per client. Every wait ends after `timeout`, as an error, so that no test can hang.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/core/error.h"

// OpenSSL's types, so that tests need not include its headers.
struct ssl_st;
struct ssl_ctx_st;
struct ssl_session_st;

namespace sharestore::test {

using HeaderList = std::vector<std::pair<std::string, std::string>>;

struct HttpAnswer {
  int status = 0;
  std::string version;  // "HTTP/1.1"
  std::string reason;
  HeaderList headers;  // in order, names as received
  std::string body;
  std::string head;           // the whole head as received, with its empty line
  bool saw_continue = false;  // a "100 Continue" came before

  // First header of that name, compared without case.
  std::optional<std::string> header(std::string_view name) const;
  std::size_t count(std::string_view name) const;
};

struct TlsClientOptions {
  std::string host = "127.0.0.1";  // numeric, IPv4 or IPv6
  std::uint16_t port = 0;
  std::string unix_path;  // instead of host and port
  bool tls = true;
  int min_version = 0;  // OpenSSL's TLS1_2_VERSION and so on; 0: the library's default
  int max_version = 0;
  std::vector<std::string> alpn;
  std::shared_ptr<ssl_session_st> session;  // to resume
  int receive_buffer_bytes = 0;             // SO_RCVBUF; 0: the system's default
  // OpenSSL refuses old protocol versions at its default security level.
  bool allow_weak = false;
  std::chrono::milliseconds timeout{20000};
};

class TlsClient {
 public:
  // Connects and, with `tls`, does the handshake. The certificate is not verified.
  // unavailable: refused or closed; timed_out; invalid_argument: a bad address.
  static Result<TlsClient> connect(const TlsClientOptions& options);

  // Connects without saying anything; start_tls() does the handshake.
  static Result<TlsClient> connect_silent(const TlsClientOptions& options);
  Status start_tls();

  TlsClient(TlsClient&&) noexcept;
  TlsClient& operator=(TlsClient&&) noexcept;
  ~TlsClient();

  // All of `bytes`. unavailable: the peer closed.
  Status send(std::string_view bytes);
  // Raw bytes below TLS.
  Status send_raw(std::string_view bytes);
  // Some bytes; empty at the end of the stream (a clean TLS close or a TCP end).
  Result<std::string> read_some(std::size_t max_bytes = 65536);
  // Bytes below TLS until the end of the stream.
  Result<std::string> read_raw_to_end();
  // Reads and throws away until the end of the stream or an error; true: a clean end.
  bool wait_closed();
  // Exactly the next answer; final ones only, "100 Continue" is noted and skipped.
  // Reads Content-Length and chunked bodies and bodies that end with the connection.
  Result<HttpAnswer> read_answer(bool to_head_request = false);
  // Next interim or final head, without its body.
  Result<HttpAnswer> read_head();
  // Sends a request with Host (and Content-Length if there is a body or the method is POST, PUT or
  // PATCH) and reads the answer.
  Result<HttpAnswer> request(std::string_view method, std::string_view target,
                             const HeaderList& headers = {}, std::string_view body = {});
  static std::string format_request(std::string_view method, std::string_view target,
                                    const HeaderList& headers, std::string_view body);

  // TLS facts.
  std::string tls_version() const;  // "TLSv1.3"
  std::string alpn() const;         // empty: none chosen
  bool resumed() const;
  std::shared_ptr<ssl_session_st> session() const;  // the newest ticket seen so far
  std::string peer_certificate_pem() const;

  int fd() const;
  void shutdown_write();  // TCP FIN, after a TLS close_notify
  void close();           // orderly
  void reset();           // TCP RST

 private:
  struct State;
  explicit TlsClient(std::unique_ptr<State> state);
  Status fill();
  Result<std::string> take_body(const HttpAnswer& answer);
  Result<std::string> take(std::size_t bytes);
  Result<std::string> take_line();

  std::unique_ptr<State> state_;
};

}  // namespace sharestore::test
