// A Foolscap peer that does what a test tells it, right or wrong.
//
// Listens on loopback from its making to its end; each accepted connection runs the script on a
// thread. The script's calls return false when the other side has gone or was silent for 20 s.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "tests/support/test_certificate.h"

struct ssl_st;
struct ssl_ctx_st;

namespace sharestore::grid {

class FakePeer {
 public:
  FakePeer(int fd, ssl_ctx_st* context) : fd_(fd), context_(context) {}
  ~FakePeer();
  FakePeer(const FakePeer&) = delete;
  FakePeer& operator=(const FakePeer&) = delete;

  bool read_request();  // the plaintext upgrade
  bool send(std::string_view bytes);
  bool start_tls();
  std::string client_tub_id() const;
  // Reads until what came since the last call ends with `end`.
  bool read_until(std::string_view end);
  bool wait_closed();
  const std::string& received() const { return received_; }

  // Upgrade, TLS, hello and decision as a good peer, up to the request for the reference.
  bool negotiate(std::string_view own_tub_id);
  // Then everything up to the accepted announcement.
  bool accept_announcement();

 private:
  int fd_;
  ssl_ctx_st* context_;
  ssl_st* ssl_ = nullptr;
  std::string received_;
};

class FakeIntroducer {
 public:
  using Script = std::function<void(FakePeer& peer, int connection)>;

  explicit FakeIntroducer(Script script);
  ~FakeIntroducer();
  FakeIntroducer(const FakeIntroducer&) = delete;
  FakeIntroducer& operator=(const FakeIntroducer&) = delete;

  const std::string& tub_id() const { return tub_id_; }
  std::uint16_t port() const { return port_; }
  int connections() const { return connections_; }

 private:
  void serve();

  Script script_;
  std::shared_ptr<ssl_ctx_st> context_;
  std::string tub_id_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<int> connections_{0};
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  int open_ = -1;  // the connection that the script talks on
  std::thread thread_;
};

std::string tub_id_of(const test::TestCertificate& certificate);

}  // namespace sharestore::grid
