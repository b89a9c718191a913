// The operator's web port: pages, figures, health checks. Reads only.
//
// Threads: as http::Handler. What it is given outlives it.
#pragma once

#include <functional>
#include <optional>

#include "storage_server/http/message.h"
#include "storage_server/http/server.h"
#include "storage_server/web/status.h"

namespace sharestore::web {

class WebHandler final : public http::Handler {
 public:
  // `status` may be called by several threads at once, and reads the index.
  explicit WebHandler(std::function<NodeStatus()> status) : status_(std::move(status)) {}

  std::optional<http::Response> try_handle(const http::Request& request,
                                           OpContext context) override;
  // Never has anything to do: everything is answered by try_handle().
  boost::asio::awaitable<http::Response> handle(const http::Request& request,
                                                http::RequestBody& body,
                                                OpContext context) override;

 private:
  http::Response answer(const http::Request& request) const;
  http::Response storage(std::string_view form) const;
  http::Response statistics(std::string_view form) const;
  http::Response alive() const;
  http::Response ready() const;

  const std::function<NodeStatus()> status_;
};

// Limits that suit a few browsers and scrapers.
http::Limits web_limits();

}  // namespace sharestore::web
