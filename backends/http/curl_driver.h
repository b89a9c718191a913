// curl's multi interface on one Asio strand.
//
// A watched descriptor is a duplicate of curl's, so that curl may close its own at any time; late
// readiness finds its watch gone. Timers of zero go through the loop: curl is never called from its
// own callback, nor is a handle removed inside one.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>

#include <curl/curl.h>

#include <map>
#include <memory>
#include <string>

#include "backends/core/async_event.h"
#include "backends/core/io_pool.h"
#include "backends/http/transfer.h"

namespace sharestore::http_client {

class CurlDriver : public std::enable_shared_from_this<CurlDriver> {
 public:
  CurlDriver(boost::asio::any_io_executor executor, IoPool& pool, HttpClientOptions options);
  ~CurlDriver();
  CurlDriver(const CurlDriver&) = delete;
  CurlDriver& operator=(const CurlDriver&) = delete;

  // Any thread.
  void start(std::shared_ptr<Transfer> transfer);
  void cancel(std::weak_ptr<Transfer> transfer);
  void shut_down();
  // Set when shut_down() is done.
  AsyncEvent& closed() { return closed_; }

 private:
  using Strand = boost::asio::strand<boost::asio::any_io_executor>;
  struct Watch {
    Watch(Strand strand, int fd) : descriptor(std::move(strand), fd) {}
    boost::asio::posix::stream_descriptor descriptor;
    int wanted = 0;
    bool reading = false;
    bool writing = false;
  };

  // On the strand, all of them.
  void begin(std::shared_ptr<Transfer> transfer);
  void end(const std::shared_ptr<Transfer>& transfer, HttpOutcome outcome);
  void abort(const std::shared_ptr<Transfer>& transfer, HttpFailure::Kind kind);
  void act(curl_socket_t socket, int events);
  void take_finished();
  void arm(curl_socket_t socket);
  void ready(const std::weak_ptr<Watch>& weak, curl_socket_t socket, bool readable);
  void load_more(const std::shared_ptr<Transfer>& transfer);
  boost::asio::awaitable<void> load(std::shared_ptr<Transfer> transfer, BodyFeed::Load what);
  boost::asio::awaitable<void> watch(std::shared_ptr<Transfer> transfer);

  static int on_socket(CURL* easy, curl_socket_t socket, int what, void* self, void* unused);
  static int on_timer(CURLM* multi, long milliseconds, void* self);

  const HttpClientOptions options_;
  IoPool& pool_;
  Strand strand_;
  boost::asio::steady_timer timer_;
  TrustReport trust_;
  std::map<curl_socket_t, std::shared_ptr<Watch>> watches_;
  std::map<CURL*, std::shared_ptr<Transfer>> transfers_;
  CURLM* multi_ = nullptr;  // null once shut down
  AsyncEvent closed_;
};

}  // namespace sharestore::http_client
