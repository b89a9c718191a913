#include "storage_server/web/web_handler.h"

#include <boost/json/serialize.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "storage_server/web/metrics.h"
#include "storage_server/web/page.h"
#include "storage_server/web/reference_stats.h"

namespace sharestore::web {

namespace {

using http::Method;
using http::Request;
using http::Response;

constexpr std::string_view kHtml = "text/html; charset=utf-8";
// JSON too: the reference sends it so.
constexpr std::string_view kText = "text/plain; charset=utf-8";

// The first two are the reference's; nothing that a stranger wrote can run or load anything.
constexpr std::string_view kHeaders =
    "X-Frame-Options: DENY\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'\r\n"
    "Cache-Control: no-store\r\n";

Response text(int status, std::string_view type, std::string_view body) {
  Response response = Response::empty(status);
  response.content_type = type;
  response.body = Bytes::copy_of(body);
  return response;
}

Response json(const boost::json::object& object) {
  return text(200, kText, boost::json::serialize(object) + "\n");
}

Response to_page() {
  Response response = text(302, kText, "the status page is /storage\n");
  response.extra_headers = "Location: /storage\r\n";
  return response;
}

// The value of `t` in the query; what else is there does not matter.
std::string_view form_of(std::string_view query) {
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view part = query.substr(0, end);
    if (part.starts_with("t=")) return part.substr(2);
    query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
  }
  return {};
}

Response metrics(const NodeStatus& status, MetricsForm form) {
  return text(200, content_type(form), render_metrics(status, form));
}

}  // namespace

std::optional<Response> WebHandler::try_handle(const Request& request, OpContext /*context*/) {
  Response response = answer(request);
  response.extra_headers += kHeaders;
  return response;
}

boost::asio::awaitable<Response> WebHandler::handle(const Request& request,
                                                    http::RequestBody& /*body*/,
                                                    OpContext context) {
  co_return std::move(*try_handle(request, context));
}

Response WebHandler::answer(const Request& request) const {
  const std::string_view path = request.path;
  const bool known = path == "/" || path == "/storage" || path == "/statistics" ||
                     path == "/healthz" || path == "/readyz";
  if (!known) return text(404, kText, "there is no such page; the status page is /storage\n");
  if (request.method != Method::get && request.method != Method::head) {
    Response response = text(405, kText, "this port is for reading only\n");
    response.extra_headers = "Allow: GET, HEAD\r\n";
    return response;
  }
  const std::string_view form = form_of(request.query);
  if (path == "/storage") return storage(form);
  if (path == "/statistics") return statistics(form);
  if (path == "/healthz") return alive();
  if (path == "/readyz") return ready();
  return to_page();
}

Response WebHandler::storage(std::string_view form) const {
  if (form == "json") return json(reference_storage(status_()));
  if (form == "sharestore") return json(to_json(status_()));
  if (form.empty() || form == "html") return text(200, kHtml, render_page(status_()));
  return text(400, kText, "t is html, json or sharestore\n");
}

Response WebHandler::statistics(std::string_view form) const {
  if (form == "json") return json(reference_statistics(status_()));
  if (form == "openmetrics") return metrics(status_(), MetricsForm::openmetrics);
  if (form == "prometheus") return metrics(status_(), MetricsForm::prometheus);
  if (form.empty() || form == "html") return to_page();
  return text(400, kText, "t is json, openmetrics or prometheus\n");
}

// What only a new start can mend is a reason for one; a store that is away is not.
Response WebHandler::alive() const {
  const Health index = status_().index_health;
  return index.ok ? text(200, kText, "ok\n") : text(503, kText, index.sentence + "\n");
}

Response WebHandler::ready() const {
  const NodeStatus status = status_();
  if (status.healthy()) return text(200, kText, "ready\n");
  std::string why;
  for (const Health* health : {&status.backend_health, &status.index_health}) {
    if (!health->ok) why += health->sentence + "\n";
  }
  return text(503, kText, why);
}

http::Limits web_limits() {
  http::Limits limits;
  limits.connections = 64;
  limits.connections_per_address = 32;
  limits.requests_in_flight = 16;
  limits.drain_bytes = 16 * 1024;
  limits.linger_bytes = 64 * 1024;
  return limits;
}

}  // namespace sharestore::web
