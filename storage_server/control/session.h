// One client of the control socket: its request, its command, the answer.
//
// On the server's executor.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include <memory>
#include <string>

#include "storage_server/control/command.h"

namespace sharestore::control {

class Session final : public Call, public std::enable_shared_from_this<Session> {
 public:
  using Socket = boost::asio::local::stream_protocol::socket;

  Session(Socket socket, const Commands& commands, Clock& clock);

  // Until the answer is sent or the client gone.
  boost::asio::awaitable<void> run();
  // The node stops. The coroutine is cancelled beside this.
  void end_soon() { ending_ = true; }

  const boost::json::object& arguments() const override { return arguments_; }
  OpContext context() const override { return context_; }
  bool gone() const override { return lost_ || ending_; }
  boost::asio::awaitable<void> progress(boost::json::object what) override;

 private:
  Task<const Command*> read_request();
  boost::asio::awaitable<void> execute(const Command* command, Result<boost::json::object>* result);
  boost::asio::awaitable<void> watch_client();
  // One at a time.
  boost::asio::awaitable<void> send(boost::json::object line);
  void send_sign_of_life();
  boost::asio::awaitable<void> answer(Result<boost::json::object> result);

  Socket socket_;
  const Commands& commands_;
  Clock& clock_;
  OpContext context_;
  boost::json::object arguments_;
  bool writing_ = false;
  bool lost_ = false;    // the client went away
  bool ending_ = false;  // the node stops
};

}  // namespace sharestore::control
