// A request whose handler runs as a coroutine, and the body that it reads; and a body source that
// an answer waits for. Both name their connection by slot and generation and survive its end.
//
// On the worker's thread only. Held by the coroutine and, as long as it lasts, by the connection.
#pragma once

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>

#include <memory>
#include <string>

#include "storage_server/http/connection.h"
#include "storage_server/http/message.h"

namespace sharestore::http {

class Worker;

class RunningRequest final : public RequestBody,
                             public std::enable_shared_from_this<RunningRequest> {
 public:
  // Copies the head `text`, into which `request` points. The worker outlives it.
  RunningRequest(Worker& worker, ConnectionRef connection, std::string_view text,
                 const Request& request, const Framing& framing);
  ~RunningRequest() override;

  // Spawns the handler's coroutine; the worker is told of its answer.
  void start(OpContext context);

  // The connection is gone or the node stops: the handler is cancelled, its answer thrown away.
  void abandon();
  // Bytes have come, or the end of them.
  void wake();
  // The client sent nothing for too long.
  void stall();
  bool waits_for_client() const { return waiting_; }
  ConnectionRef connection() const { return connection_; }

  std::optional<std::uint64_t> length() const override;
  Task<Bytes> read(std::size_t max_bytes) override;

 private:
  static boost::asio::awaitable<void> run(std::shared_ptr<RunningRequest> self, OpContext context);
  boost::asio::awaitable<void> wait_for_client();

  Worker& worker_;
  ConnectionRef connection_;
  std::string text_;
  Request request_;
  Framing framing_;
  boost::asio::steady_timer event_;  // never fires; cancelled to wake the reader
  boost::asio::cancellation_signal cancel_;
  bool waiting_ = false;
  bool gone_ = false;
  bool stalled_ = false;
  Duration waited_{};
};

class BodyFetch final : public std::enable_shared_from_this<BodyFetch> {
 public:
  BodyFetch(Worker& worker, ConnectionRef connection, std::shared_ptr<BodySource> source,
            std::uint64_t offset, std::size_t max_bytes);

  void start();
  void abandon();

 private:
  static boost::asio::awaitable<void> run(std::shared_ptr<BodyFetch> self);

  Worker& worker_;
  ConnectionRef connection_;
  std::shared_ptr<BodySource> source_;
  std::uint64_t offset_;
  std::size_t max_bytes_;
  bool gone_ = false;
  boost::asio::cancellation_signal cancel_;
};

}  // namespace sharestore::http
