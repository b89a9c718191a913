// The node's end of the control socket.
//
// open() is called by main's thread; run() belongs to one single-threaded executor. Commands and
// clock outlive it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include <filesystem>
#include <list>
#include <memory>
#include <optional>

#include "backends/core/async_event.h"
#include "backends/core/clock.h"
#include "backends/core/error.h"
#include "storage_server/control/command.h"
#include "storage_server/control/socket_path.h"

namespace sharestore::control {

class Session;

class Server {
 public:
  Server(const Commands& commands, Clock& clock);
  // Removes the socket file. run() has ended.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Makes the socket. A stale one is replaced; a file that is no socket is left alone
  // (already_exists). Otherwise errors as http::open_listener.
  Status open(const std::filesystem::path& node_directory);

  // Serves clients until cancelled; then tells the commands under way that they are to end, and
  // returns when they have. After open(); once.
  boost::asio::awaitable<void> run();

 private:
  struct Client {
    std::shared_ptr<Session> session;
    boost::asio::cancellation_signal cancel;
  };
  void welcome(boost::asio::local::stream_protocol::socket socket);
  boost::asio::awaitable<void> end_clients();

  const Commands& commands_;
  Clock& clock_;
  std::optional<SocketPath> path_;
  http::Listener listener_;
  std::list<Client> clients_;  // at most kMaxClients
  bool ending_ = false;
  AsyncEvent idle_;  // ending, and the last client has gone
};

}  // namespace sharestore::control
