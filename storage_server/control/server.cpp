#include "storage_server/control/server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <utility>

#include "storage_server/control/limits.h"
#include "storage_server/control/session.h"

namespace sharestore::control {

namespace asio = boost::asio;
using asio::local::stream_protocol;

namespace {

constexpr mode_t kSocketMode = 0600;

// The mode of the socket says the same; some file systems know no modes.
bool may_connect(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  return peer.uid == 0 || peer.uid == ::geteuid();
}

// What fits into the socket's buffer is read even after the close.
void refuse(int socket) {
  constexpr std::string_view kBusy =
      "{\"error\":{\"code\":\"busy\",\"message\":\"too many commands are under way; try again when "
      "one has ended\"}}\n";
  ::send(socket, kBusy.data(), kBusy.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

}  // namespace

Server::Server(const Commands& commands, Clock& clock) : commands_(commands), clock_(clock) {}

Server::~Server() {
  if (!listener_.unix_path.empty()) ::unlink(listener_.unix_path.c_str());
}

Status Server::open(const std::filesystem::path& node_directory) {
  auto path = SocketPath::of(node_directory);
  if (!path) return fail(path.error());
  path_.emplace(std::move(*path));
  ListenEndpoint endpoint;
  endpoint.kind = ListenEndpoint::Kind::unix_socket;
  endpoint.path = path_->path();
  endpoint.mode = kSocketMode;
  endpoint.backlog = kMaxClients;
  auto opened = http::open_listener(endpoint, 1);
  if (!opened) return fail(opened.error());
  listener_ = std::move(*opened);
  return {};
}

asio::awaitable<void> Server::run() {
  co_await asio::this_coro::throw_if_cancelled(false);
  stream_protocol::acceptor acceptor(co_await asio::this_coro::executor);
  // A copy, because the acceptor closes what it is given.
  acceptor.assign(stream_protocol(), ::fcntl(listener_.sockets[0].get(), F_DUPFD_CLOEXEC, 0));
  listener_.sockets.clear();
  while ((co_await asio::this_coro::cancellation_state).cancelled() ==
         asio::cancellation_type::none) {
    auto [error, socket] = co_await acceptor.async_accept(asio::as_tuple(asio::use_awaitable));
    if (!error) {
      welcome(std::move(socket));
    } else if (error != asio::error::operation_aborted) {
      co_await clock_.sleep_until(clock_.now() + kAcceptPause);
    }
  }
  acceptor.close();
  co_await end_clients();
}

void Server::welcome(stream_protocol::socket socket) {
  if (!may_connect(socket.native_handle())) return;
  if (clients_.size() >= kMaxClients) {
    refuse(socket.native_handle());
    return;
  }
  const auto executor = socket.get_executor();
  const auto client = clients_.emplace(clients_.end());
  client->session = std::make_shared<Session>(std::move(socket), commands_, clock_);
  asio::co_spawn(
      executor, client->session->run(),
      asio::bind_cancellation_slot(client->cancel.slot(), [this, client](std::exception_ptr) {
        clients_.erase(client);
        if (ending_ && clients_.empty()) idle_.set();
      }));
}

asio::awaitable<void> Server::end_clients() {
  if (clients_.empty()) co_return;
  ending_ = true;
  for (Client& client : clients_) {
    client.session->end_soon();
    client.cancel.emit(asio::cancellation_type::terminal);
  }
  co_await idle_.wait();
}

}  // namespace sharestore::control
