// Requests to an account's object store: each attempt with the token of the moment, and once more
// with a new one when the store refuses it.
//
// Threads: as http_client::Endpoint. close() is awaited before the store is destroyed.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "backends/core/byte_source.h"
#include "backends/core/io_pool.h"
#include "backends/http/endpoint.h"
#include "backends/object/container.h"
#include "backends/openstack/token_source.h"
#include "config/storage_config.h"

namespace sharestore::openstack {

struct StoreCall {
  std::string what;  // for messages
  std::string method;
  // Below the storage URL and encoded: "/container/key?query"; with `about_service`, below the
  // service's root: "/info".
  std::string target;
  bool about_service = false;
  http_client::HeaderList headers;
  ByteSourcePtr body;
  std::size_t max_response_bytes = 1 << 20;
  http_client::Effect effect = http_client::Effect::none;
  // Null: judge_swift. Not asked for 401.
  std::function<http_client::Judgement(const http_client::HttpResponse&)> judge;
};

class SwiftStore {
 public:
  SwiftStore(boost::asio::any_io_executor executor, IoPool& pool, const OpenStackConfig& config);

  // As Endpoint::send. Errors of the identity service are unauthorized, or unavailable and the
  // like: never not_found, which is said of objects only.
  Task<http_client::HttpResponse> send(OpContext context, StoreCall call);

  TokenSource& tokens() { return tokens_; }
  ContainerStatus status() const;
  boost::asio::awaitable<void> close();

 private:
  TokenSource tokens_;
  http_client::Endpoint endpoint_;
};

}  // namespace sharestore::openstack
