// A server with a handler made for tests, on a loopback port, with a clock that the test moves.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "backends/core/memory_budget.h"
#include "storage_server/http/message.h"
#include "storage_server/http/server.h"
#include "tests/support/fake_clock.h"
#include "tests/support/test_certificate.h"
#include "tests/support/tls_client.h"

namespace sharestore::http {

// The byte at `offset` of every generated body.
inline char body_byte(std::uint64_t offset) {
  return static_cast<char>('a' + (offset * 131 + offset / 251) % 26);
}
std::string body_text(std::uint64_t size);

// Paths: /version (at once), /bytes/N, /stream/N (a source that never waits), /cold/N (one that
// always does), /cold-fail/N (one that fails half-way), /echo (the body back), /count (its length),
// /ignore (answers without reading), /one-piece (reads once), /wait (until cancelled or released),
// /throw, /lines (how many header lines, and the values of X-Line), /status/N, /big-head/N,
// /refuse (401 at once, whatever the body).
class TestHandler final : public Handler {
 public:
  std::optional<Response> try_handle(const Request& request, OpContext context) override;
  boost::asio::awaitable<Response> handle(const Request& request, RequestBody& body,
                                          OpContext context) override;

  std::atomic<int> waiting = 0;    // handlers in /wait
  std::atomic<int> cancelled = 0;  // ended because they were cancelled
  std::atomic<bool> release = false;
  std::atomic<int> last_body_error = -1;      // an Errc
  std::atomic<std::uint64_t> body_bytes = 0;  // read by all handlers
  std::atomic<bool> hold_bodies = false;      // keep what /count reads until the end
};

// Polls until `done` or 20 s have passed.
bool eventually(const std::function<bool()>& done);

class HttpServerTest : public testing::Test {
 protected:
  void TearDown() override;

  // Starts the server; `change` may alter the options first.
  void start(const std::function<void(ServerOptions&)>& change = {});
  test::TlsClientOptions client_options() const;
  test::TlsClient connect();
  test::TlsClient connect(const test::TlsClientOptions& options);
  // Moves the clock and lets the server look at its timeouts.
  void pass(Duration time);
  std::uint64_t answers(int status) const;

  static const test::TestCertificate& certificate();

  FakeClock clock_;
  TestHandler handler_;
  std::unique_ptr<MemoryBudget> memory_ = std::make_unique<MemoryBudget>(64 << 20);
  std::unique_ptr<Server> server_;
  bool tls_ = true;
  std::mutex log_mutex_;
  std::vector<std::string> log_;  // "METHOD path status bytes complete"
};

}  // namespace sharestore::http
