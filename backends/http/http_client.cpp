#include "backends/http/http_client.h"

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>

#include "backends/http/curl_driver.h"

namespace sharestore::http_client {

namespace asio = boost::asio;

HttpClient::HttpClient(asio::any_io_executor executor, IoPool& pool, HttpClientOptions options)
    : driver_(std::make_shared<CurlDriver>(std::move(executor), pool, options)) {}

HttpClient::~HttpClient() = default;

asio::awaitable<HttpOutcome> HttpClient::send(OpContext context, HttpRequest request) {
  const auto driver = driver_;
  const auto transfer = std::make_shared<Transfer>(context, std::move(request));
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  if (cancellation.cancelled() != asio::cancellation_type::none) {
    co_return std::unexpected(transfer->failure(HttpFailure::Kind::cancelled, "cancelled"));
  }
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(HttpOutcome)>(
      [driver, transfer](auto handler) {
        auto executor = asio::get_associated_executor(handler);
        auto slot = asio::get_associated_cancellation_slot(handler);
        // The guard keeps the caller's loop alive while the strand works elsewhere.
        auto guard = asio::make_work_guard(executor);
        transfer->complete = [handler = std::move(handler), executor,
                              guard = std::move(guard)](HttpOutcome outcome) mutable {
          asio::post(executor,
                     [handler = std::move(handler), outcome = std::move(outcome)]() mutable {
                       std::move(handler)(std::move(outcome));
                     });
        };
        if (slot.is_connected()) {
          slot.assign([driver, weak = std::weak_ptr(transfer)](asio::cancellation_type) {
            driver->cancel(weak);
          });
        }
        driver->start(transfer);
      },
      asio::use_awaitable);
}

asio::awaitable<void> HttpClient::close() {
  const auto driver = driver_;
  driver->shut_down();
  co_await driver->closed().wait();
}

}  // namespace sharestore::http_client
