// HTTP over libcurl, driven by Asio: one request in, one answer out. No retry, no redirect, no
// cookies, no decompression, no Expect.
//
// Threads: send() may be called from any coroutine on any executor, which it resumes on. Inside,
// everything happens on one strand of the executor given. The executor's loop outlives the client,
// and close() is awaited before the client is destroyed.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <memory>

#include "backends/core/io_pool.h"
#include "backends/core/op_context.h"
#include "backends/http/http_message.h"

namespace sharestore::http_client {

class CurlDriver;

struct HttpClientOptions {
  std::chrono::milliseconds connect_timeout_ms{10'000};
  // From the last byte of the request to the first of the answer.
  std::chrono::milliseconds first_byte_timeout_ms{30'000};
  // Without a byte in either direction.
  std::chrono::milliseconds stall_timeout_ms{30'000};
  // A kept connection is not used after it lay idle so long: below what servers allow (60 s and
  // more), so that few requests meet a connection that the server just closed.
  std::chrono::seconds max_idle_s{20};
  // Nor when it is older: names and load balancers change.
  std::chrono::seconds max_connection_life_s{300};
  // Open connections at once, and kept ones. Further requests wait inside curl.
  std::size_t max_connections = 64;
};

// Lines of an answer's head, together. Servers send a few hundred bytes.
inline constexpr std::size_t kMaxHeadBytes = 64 * 1024;
// A request body is read from its source in pieces of this, two at a time.
inline constexpr std::size_t kBodyPieceBytes = 64 * 1024;

class HttpClient {
 public:
  // `pool` reads bodies that are not in memory; it and the executor's loop outlive the client.
  HttpClient(boost::asio::any_io_executor executor, IoPool& pool, HttpClientOptions options = {});
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // One request. The server may have executed it twice: curl repeats by itself what met a dead kept
  // connection. Ends by the context's deadline, by the timeouts of the options, or when the calling
  // coroutine is cancelled. The context's clock outlives the client.
  boost::asio::awaitable<HttpOutcome> send(OpContext context, HttpRequest request);

  // Cancels what is running and waits for it. Later requests are answered `cancelled`.
  boost::asio::awaitable<void> close();

 private:
  std::shared_ptr<CurlDriver> driver_;
};

}  // namespace sharestore::http_client
