// OpenStack Swift in the process, one account, stricter than the real one: what a client should not
// send is refused with 400 and kept in complaints(). It fails, lags and forgets on command.
//
// Any thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "backends/core/clock.h"
#include "tests/support/fake_http_server.h"
#include "tests/support/token_issuer.h"

namespace sharestore::test {

class FakeSwift final : public TokenIssuer {
 public:
  static constexpr const char* kUser = "test:tester";
  static constexpr const char* kKey = "testing";

  // Has a container of that name. `clock` dates its answers.
  FakeSwift(std::string container, const Clock& clock);

  FakeHttpServer& server() { return server_; }
  std::string auth_url() const { return server_.origin() + "/auth/v1.0"; }
  std::string storage_url() const { return server_.origin() + "/v1/AUTH_test"; }

  // TokenIssuer: what an identity service in front of it does.
  IssuedToken issue() override;
  void revoke(const std::string& token) override;

  // --- faults: each for the next `count` requests of that method ("": any) -----------------------
  enum class Fault : std::uint8_t {
    status,        // answered with `status` and not executed
    reply_lost,    // executed, then the connection is closed without an answer
    body_cut,      // half of the answer's body, then closed
    wrong_etag,    // executed, with another ETag in the answer
    done_then_503  // executed, and answered 503
  };
  void fail_next(int count, const std::string& method, Fault fault, int status = 503,
                 FakeRequest::Pairs headers = {});
  void refuse_tokens_next(int count) { fail_next(count, "", Fault::status, 401); }

  // --- ways to be eventually consistent ----------------------------------------------------------
  // Listings stay as they are now.
  void freeze_listing(bool frozen);
  // Reads without X-Newest see the version before the last one, or none.
  void stale_reads(bool stale) { stale_reads_ = stale; }

  // --- shape -------------------------------------------------------------------------------------
  void set_page_size(std::size_t entries) { page_size_ = entries; }
  void offer_bulk_delete(bool offer) { bulk_delete_ = offer; }
  void offer_segments(bool offer) { segments_ = offer; }
  // False: the manifest of an object reads as nothing, as radosgw has it.
  void tell_manifests(bool tell) { tells_manifests_ = tell; }
  // True: the metadata of objects is forgotten, as if another program had made them.
  void forget_metadata(bool forget) { forgets_metadata_ = forget; }
  void set_token_life(int seconds) { token_life_s_ = seconds; }
  // Listings name `count` objects "<prefix>000000000" … that nobody stored.
  void generate_listing(std::string prefix, std::size_t count);
  void drop_container() { has_container_ = false; }

  // --- what happened -----------------------------------------------------------------------------
  std::vector<std::string> keys() const;
  bool has(const std::string& key) const;
  void erase(const std::string& key);
  // "GET /v1/…" in order, without those to the identity part.
  std::vector<std::string> requests() const;
  std::size_t count(const std::string& method) const;
  std::size_t authentications() const { return authentications_; }
  std::vector<std::string> complaints() const;

 private:
  struct Object {
    std::string content;  // a manifest's text for manifests
    std::string etag;     // as answered
    bool manifest = false;
    std::int64_t stored_at = 0;
    std::string upload;  // X-Object-Meta-Upload
  };
  using Objects = std::map<std::string, Object>;
  struct Planned {
    std::string method;
    Fault fault = Fault::status;
    int status = 503;
    FakeRequest::Pairs headers;
    int left = 0;
  };

  FakeReply handle(const FakeRequest& request);
  FakeReply authenticate(const FakeRequest& request);
  FakeReply serve_locked(const FakeRequest& request);
  FakeReply serve_container(const FakeRequest& request);
  FakeReply list(const FakeRequest& request);
  FakeReply put(const FakeRequest& request, const std::string& key);
  FakeReply put_manifest(const FakeRequest& request, const std::string& key);
  FakeReply read(const FakeRequest& request, const std::string& key);
  FakeReply bulk_delete(const FakeRequest& request);
  FakeReply refuse(std::string complaint);
  std::optional<std::string> assemble(const Object& object, bool& cut) const;
  void store(const std::string& key, Object object);
  std::optional<Planned> take_fault(const std::string& method);
  void spoil(const Planned& fault, FakeReply& reply) const;

  const std::string container_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  Objects objects_;
  std::map<std::string, std::optional<Object>> before_;  // what a stale copy holds
  std::optional<Objects> frozen_;
  std::set<std::string> tokens_;
  std::vector<Planned> planned_;
  std::vector<std::string> requests_;
  std::vector<std::string> complaints_;
  std::string generated_prefix_;
  std::size_t generated_ = 0;
  std::uint64_t last_token_ = 0;
  std::atomic<bool> stale_reads_ = false;
  std::atomic<bool> bulk_delete_ = true;
  std::atomic<bool> segments_ = true;
  std::atomic<bool> tells_manifests_ = true;
  std::atomic<bool> forgets_metadata_ = false;
  std::atomic<bool> has_container_ = true;
  std::atomic<std::size_t> page_size_ = 10'000;
  std::atomic<int> token_life_s_ = 86'400;
  std::atomic<std::size_t> authentications_ = 0;
  FakeHttpServer server_;
};

}  // namespace sharestore::test
