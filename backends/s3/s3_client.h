// One request to a bucket: addressed, signed anew for every attempt, and its answer judged by what
// S3 says in it. Wrong regions and clocks are put right here.
//
// Threads: as Endpoint, on which it stands.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/http/body_digest.h"
#include "backends/http/endpoint.h"
#include "backends/s3/address.h"
#include "backends/s3/signature.h"
#include "backends/s3/xml.h"
#include "config/storage_config.h"

namespace sharestore::s3 {

using http_client::Effect;
using http_client::HttpResponse;

// Answers that are documents: 1000 objects of a listing take some 400 KiB.
inline constexpr std::size_t kMaxDocumentBytes = 4 << 20;
// What such an answer has as a rule.
inline constexpr std::size_t kUsualDocumentBytes = 512 << 10;
// What an error may add to an answer that is expected to be short.
inline constexpr std::size_t kMaxErrorBytes = 64 << 10;

struct S3Request {
  std::string method;
  std::string key;  // empty: the bucket itself
  std::vector<std::pair<std::string, std::string>> query;
  HeaderList headers;  // beside those that every request has
  ByteSourcePtr body;
  Effect effect = Effect::none;
  std::size_t max_response_bytes = kMaxErrorBytes;
  // The answer is a document with this root; any other is an error. Empty: no document.
  std::string root;
};

struct S3Outcome {
  Result<HttpResponse> response = fail(Errc::cancelled, "not sent");
  // Of the last answer: <Code>, empty without one, and the HTTP status, 0 without an answer.
  std::string code;
  int status = 0;
  // The body's MD5 in hex; empty without a body.
  std::string md5_hex;
};

struct S3Options {
  S3Config config;
  // The store's least size of a part that is not the last.
  std::uint64_t min_part_bytes = kMinPartSizeBytes;
  // Answers on their way, together; at least kMaxDocumentBytes.
  std::size_t max_arriving_bytes = 16 << 20;
  http_client::RetryOptions retry;
  http_client::HttpClientOptions http;
};

// Whether a tag is the MD5 of the bytes: not so for joined parts, nor where the store encrypts with
// keys of its own.
bool tag_is_md5(const HttpResponse& response, std::string_view etag);

class S3Client {
 public:
  // `pool` and the executor's loop outlive the client.
  S3Client(const S3Options& options, IoPool& pool, boost::asio::any_io_executor executor);

  // As Endpoint::send. A body in memory or a spool file is read once more for its digests.
  boost::asio::awaitable<S3Outcome> send(OpContext context, S3Request request);
  boost::asio::awaitable<void> close() { return endpoint_.close(); }

  const S3Config& config() const { return config_; }
  // The region in use: that of the configuration until the store named another.
  std::string region() const;
  http_client::Endpoint& endpoint() { return endpoint_; }
  const http_client::Endpoint& endpoint() const { return endpoint_; }

 private:
  struct Attempt;
  http_client::HttpRequest prepare(const S3Request& request, const http_client::BodyDigest& digest,
                                   WallTime now, Attempt& attempt) const;
  void sign(SignableRequest& signable, const Address& address,
            const http_client::BodyDigest& digest, bool has_body, WallTime now,
            const std::string& region) const;
  http_client::Judgement judge(const S3Request& request, const HttpResponse& response,
                               const std::string& what, Attempt& attempt);
  http_client::Judgement judge_error(const S3Request& request, const HttpResponse& response,
                                     const std::string& what, Attempt& attempt);
  bool learn_region(const std::string& told, const Attempt& attempt);
  // Whether the time of the attempt was refused and the next will carry the store's.
  bool correct_clock(const Attempt& attempt);
  std::string clock_sentence(const Attempt& attempt) const;

  const S3Config config_;
  const std::string token_;
  IoPool& pool_;
  http_client::Endpoint endpoint_;
  mutable std::mutex mutex_;
  std::string region_;
};

}  // namespace sharestore::s3
