// An S3 store in the process that is stricter than real ones: what they let pass, it refuses. It
// checks every signature against what arrived on the wire, and can fail in the ways they fail.
//
// Any thread. The clock outlives the store.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "backends/core/clock.h"
#include "tests/support/fake_http_server.h"

namespace sharestore::test {

struct FakeS3Options {
  std::string access_key_id = "AKIDFAKE";
  std::string secret = "a secret of the fake";
  std::string token;  // what x-amz-security-token must be
  std::string bucket = "the-bucket";
  std::string region = "us-east-1";
  bool tls = false;
  bool bucket_is_there = true;
  bool versioned = false;
  // Objects are read without a signature, and nobody looks at one.
  bool public_reads = false;
  // Conditions of a put: honoured, or ignored as old stores do.
  bool conditions = true;
  // If-Match is compared as it is written, quotes and all, as radosgw does.
  bool literal_if_match = false;
  // Listings of version 2 are answered as version 1.
  bool only_list_version_1 = false;
  std::size_t page_size = 1000;
  std::size_t min_part_bytes = 64 * 1024;
  // The store's clock against that of the tests.
  std::chrono::seconds clock_ahead{0};
};

class FakeS3 {
 public:
  explicit FakeS3(Clock& clock, FakeS3Options options = {});

  FakeHttpServer& server() { return *server_; }
  // Under the store's lock: change options between requests.
  void set(const std::function<void(FakeS3Options&)>& change);

  // Called before a request is executed: an answer in place of it. Called after it: a change of its
  // answer. Under the store's lock, with the number of the request, counted from 1.
  std::function<std::optional<FakeReply>(const FakeRequest&)> instead;
  std::function<void(const FakeRequest&, FakeReply&)> afterwards;

  // What lies in it.
  std::vector<std::string> keys();
  std::optional<std::string> object(const std::string& key);
  void put_object(const std::string& key, const std::string& body);
  void remove_object(const std::string& key);
  std::size_t uploads();
  // Versions and delete markers.
  std::size_t versions();
  // "GET /path?query" of every request so far.
  std::vector<std::string> log();
  std::size_t count(const std::string& beginning);

  static FakeReply error(int status, const std::string& code, const std::string& more = "");

 private:
  struct Version {
    std::string id;
    bool removed = false;  // a delete marker
    std::string body;
    std::string etag;
    std::int64_t modified_at = 0;
  };
  struct Upload {
    std::string key;
    std::map<std::uint32_t, Version> parts;
  };
  struct Target {
    std::string bucket;
    std::string key;
  };

  FakeReply serve(const FakeRequest& request);
  FakeReply execute(const FakeRequest& request);
  std::optional<FakeReply> refuse(const FakeRequest& request, const Target& target);
  std::optional<FakeReply> check_v4(const FakeRequest& request);
  std::optional<FakeReply> check_v2(const FakeRequest& request, const Target& target);
  std::optional<FakeReply> check_time(WallTime signed_at);
  std::optional<FakeReply> check_body(const FakeRequest& request);
  Target target_of(const FakeRequest& request) const;
  WallTime now() const;

  FakeReply serve_bucket(const FakeRequest& request);
  FakeReply create_bucket(const FakeRequest& request);
  FakeReply list(const FakeRequest& request);
  FakeReply list_versions(const FakeRequest& request);
  FakeReply list_uploads(const FakeRequest& request);
  FakeReply serve_object(const FakeRequest& request, const std::string& key);
  FakeReply put(const FakeRequest& request, const std::string& key);
  FakeReply get(const FakeRequest& request, const std::string& key);
  FakeReply remove(const FakeRequest& request, const std::string& key);
  FakeReply serve_upload(const FakeRequest& request, const std::string& key);
  FakeReply complete(const FakeRequest& request, const std::string& key, Upload& upload);
  std::optional<FakeReply> check_condition(const FakeRequest& request, const std::string& key);
  const Version* current(const std::string& key) const;
  void store(const std::string& key, std::string body, std::string etag);

  Clock& clock_;
  std::mutex mutex_;
  FakeS3Options options_;
  std::map<std::string, std::vector<Version>> objects_;  // oldest version first
  std::map<std::string, Upload> uploads_;
  std::vector<std::string> log_;
  std::uint64_t next_id_ = 1;
  std::unique_ptr<FakeHttpServer> server_;
};

}  // namespace sharestore::test
