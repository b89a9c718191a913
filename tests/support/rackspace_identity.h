// Rackspace Cloud Identity in the process, v2.0 with API keys and v1.0, in front of a Swift whose
// tokens it hands out: the same one until it is near its end, as Rackspace does. It delays, breaks
// and is over its limit on command, and counts.
//
// Any thread. The issuer outlives it.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "backends/core/clock.h"
#include "tests/support/fake_http_server.h"
#include "tests/support/token_issuer.h"

namespace sharestore::test {

class RackspaceIdentity {
 public:
  static constexpr const char* kUser = "tahoe-user";
  static constexpr const char* kKey = "0123456789abcdef";

  // `clock` tells when tokens end; ended ones are taken from the store by end_expired() and by the
  // next request here.
  RackspaceIdentity(TokenIssuer& issuer, const Clock& clock, bool tls = false);
  ~RackspaceIdentity();
  RackspaceIdentity(const RackspaceIdentity&) = delete;
  RackspaceIdentity& operator=(const RackspaceIdentity&) = delete;

  std::string v2_url() const { return server_.origin() + "/v2.0/tokens"; }
  std::string v1_url() const { return server_.origin() + "/v1.0"; }
  const FakeHttpServer& server() const { return server_; }

  void set_token_life(std::chrono::milliseconds life);
  void end_expired();
  // The store refuses what was handed out; the next authentication gets another.
  void revoke_all();
  // The next `count` authentications.
  void over_limit_next(int count, int status, int seconds, bool as_date);
  void fail_next(int count, int status);
  void break_next(int count);  // 200 and broken JSON
  void drop_next(int count);   // closed without an answer
  // Authentications wait from hold() to let_go().
  void hold();
  void let_go();
  // How many wait now; returns when that many do.
  void await_held(std::size_t count);
  void disable_user(bool disabled);
  void leave_out_store(bool left_out);
  // No default region in the answers, and these in the catalogue (default: DFW, LON; DFW).
  void set_regions(std::vector<std::string> regions, std::string default_region);

  std::size_t authentications() const;
  std::size_t tokens_issued() const;

 private:
  enum class Hurdle : std::uint8_t { over_limit, fail, broken, dropped };
  struct Planned {
    Hurdle hurdle = Hurdle::fail;
    int left = 0;
    int status = 503;
    int seconds = 0;
    bool as_date = false;
  };
  struct Live {
    IssuedToken issued;
    WallTime ends_at;
  };

  FakeReply handle(const FakeRequest& request);
  FakeReply answer(const FakeRequest& request);
  FakeReply answer_v2(const FakeRequest& request);
  FakeReply answer_v1(const FakeRequest& request);
  FakeReply stumble(const Planned& planned) const;
  const Live& live_token();
  void end_expired_locked();
  std::string catalogue(const std::string& storage_url) const;

  TokenIssuer& issuer_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = false;
  std::size_t waiting_ = 0;
  std::chrono::milliseconds life_{std::chrono::hours(24)};
  std::vector<Live> live_;  // the newest last
  std::vector<Planned> planned_;
  bool disabled_ = false;
  bool without_store_ = false;
  std::vector<std::string> regions_{"DFW", "LON"};
  std::string default_region_ = "DFW";
  std::size_t authentications_ = 0;
  std::size_t issued_ = 0;
  FakeHttpServer server_;
};

}  // namespace sharestore::test
