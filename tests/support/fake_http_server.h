// An HTTP server in the process for tests of HTTP clients: strict about what it is sent, and able
// to fail in every way a real one does.
//
// One thread per connection. The handler is called from those threads, one request of a connection
// at a time; it outlives the server.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

struct ssl_ctx_st;

namespace sharestore::test {

struct FakeRequest {
  using Pairs = std::vector<std::pair<std::string, std::string>>;

  std::string method;
  std::string target;  // as sent
  Pairs headers;       // names in lower case
  std::string body;
  std::size_t connection = 0;  // counted from 1

  // The first of that name (lower case); empty: none.
  std::string header(std::string_view name) const;
  bool has_header(std::string_view name) const;
  std::string raw_path() const;
  std::string path() const;  // decoded
  Pairs query() const;       // decoded, in order
  // Decoded value; empty if missing.
  std::string parameter(std::string_view name) const;
  bool has_parameter(std::string_view name) const;
};

struct FakeReply {
  enum class End : std::uint8_t {
    keep,   // the connection is kept
    close,  // closed after the answer
    reset,  // closed without an answer
    cut,    // closed after half of the body
    stall,  // nothing is sent until the server goes
    stall_in_body,
  };

  int status = 200;
  FakeRequest::Pairs headers;
  std::string body;
  End end = End::keep;
};

std::string percent_decode(std::string_view text);

class FakeHttpServer {
 public:
  using Handler = std::function<FakeReply(const FakeRequest&)>;
  // How long after it came a request is answered, at least.
  using Pace = std::function<std::chrono::nanoseconds(const FakeRequest&)>;

  // Listens on 127.0.0.1, with TLS and a certificate of its own if asked for.
  explicit FakeHttpServer(Handler handler, bool tls = false);
  ~FakeHttpServer();
  FakeHttpServer(const FakeHttpServer&) = delete;
  FakeHttpServer& operator=(const FakeHttpServer&) = delete;

  // Before the first request; called as the handler is.
  void set_pace(Pace pace) { pace_ = std::move(pace); }

  std::uint16_t port() const { return port_; }
  std::string origin() const;
  // Self-signed, for 127.0.0.1: what a client must trust.
  const std::string& certificate_pem() const { return certificate_pem_; }
  std::size_t connections() const { return connections_; }
  std::size_t requests() const { return requests_; }

 private:
  class Stream;
  void accept();
  void serve(int fd, std::size_t number);
  bool answer(Stream& stream, const FakeRequest& request);
  void stall();
  // Real time: this is what a pace is for.
  void wait_until(std::chrono::steady_clock::time_point due);

  const Handler handler_;
  Pace pace_;
  std::shared_ptr<ssl_ctx_st> tls_;
  std::string certificate_pem_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<std::size_t> connections_ = 0;
  std::atomic<std::size_t> requests_ = 0;
  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;
  std::list<int> open_;
  std::list<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace sharestore::test
