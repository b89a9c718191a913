// What is asked of an HTTP server and what it answered.
//
// Plain values.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/core/byte_source.h"
#include "backends/core/bytes.h"
#include "backends/core/clock.h"
#include "backends/core/error.h"

namespace sharestore::http_client {

using HeaderList = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method;
  // Absolute, encoded. No user and password.
  std::string url;
  // Host is made from the URL unless it is here.
  HeaderList headers;
  // Null: no body and no Content-Length. A source of no bytes: Content-Length: 0.
  ByteSourcePtr body;
  // A longer answer ends the request with Kind::too_large.
  std::size_t max_response_bytes = 1 << 20;
  // What such an answer has as a rule, where that is far less; 0: as many as the most.
  std::size_t usual_response_bytes = 0;
  // PEM file of trusted issuers; empty: the system's.
  std::filesystem::path ca_file;
};

struct HttpResponse {
  int status = 0;
  HeaderList headers;  // of the final answer, in order, names as sent
  Bytes body;
  // From the start of the request to the first byte of the answer and to its end.
  std::chrono::milliseconds first_byte_ms{0};
  std::chrono::milliseconds total_ms{0};
  // Of the request's body, as far as sent.
  std::uint64_t sent_bytes = 0;
  // curl began the body again on another connection: the server may have executed the request
  // twice.
  bool repeated = false;

  // The first header of that name, compared without case; empty: none.
  std::string_view header(std::string_view name) const;
};

// A request that got no whole answer.
struct HttpFailure {
  enum class Kind : std::uint8_t {
    cannot_resolve,
    cannot_connect,   // refused, unreachable, or no connection in time
    untrusted,        // TLS: the certificate or its name was not accepted
    tls_failed,       // TLS otherwise
    broken,           // the connection ended before the answer was whole
    no_answer,        // connected, and no first byte in time
    stalled,          // bytes stopped flowing
    deadline,         // the context's deadline passed
    cancelled,        // by the caller or by close()
    too_large,        // more than max_response_bytes, or more header lines than allowed
    unreadable_body,  // the request's own ByteSource failed
    other,            // the request itself cannot be made
  };
  Kind kind = Kind::other;
  // The server may have seen the request: a change may have happened.
  bool sent = false;
  // One sentence, naming the host.
  std::string message;
};

// unavailable, timed_out, cancelled, too_large or io_error; outcome_known() is !sent.
Error to_error(const HttpFailure& failure);

using HttpOutcome = std::expected<HttpResponse, HttpFailure>;

// A date as HTTP writes it ("Tue, 14 Nov 2023 22:13:20 GMT"), or "20231114 22:13:20 GMT".
// Nothing for other texts, for dates before 1970 and for those that the clock cannot hold.
std::optional<WallTime> parse_date(const std::string& text);

// "https://host:port" of a URL: what messages and endpoints are named by.
std::string origin_of(std::string_view url);

}  // namespace sharestore::http_client
