#include "storage_server/http/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "storage_server/http/limits.h"

namespace sharestore::http {
namespace {

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  std::string text;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Result<Address> tcp_address(const ListenEndpoint& endpoint, std::uint16_t port) {
  Address address;
  bool v6 = endpoint.kind == ListenEndpoint::Kind::tcp6;
  const std::string& host = endpoint.interface;
  bool numeric = true;
  if (v6) {
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(port);
    numeric = host.empty() || inet_pton(AF_INET6, host.c_str(), &in.sin6_addr) == 1;
    std::memcpy(&address.storage, &in, sizeof in);
    address.size = sizeof in;
  } else {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    numeric = host.empty() || inet_pton(AF_INET, host.c_str(), &in.sin_addr) == 1;
    std::memcpy(&address.storage, &in, sizeof in);
    address.size = sizeof in;
  }
  if (!numeric) {
    return fail(Errc::invalid_argument,
                fmt::format("cannot listen on \"{}\": it is no numeric {} address", host,
                            v6 ? "IPv6" : "IPv4"));
  }
  address.text = host.empty() ? fmt::format("{} port {}", v6 ? "IPv6" : "IPv4", port)
                              : fmt::format("{} port {}", host, port);
  return address;
}

std::unexpected<Error> listen_failure(const std::string& where) {
  int number = errno;
  if (number == EADDRINUSE) {
    return fail(Errc::already_exists,
                fmt::format("cannot listen on {}: another program has it; stop that program or "
                            "choose another",
                            where));
  }
  if (number == EADDRNOTAVAIL) {
    return fail(Errc::unavailable,
                fmt::format("cannot listen on {}: this machine has no such address", where));
  }
  if (number == EACCES || number == EPERM) {
    return fail(Errc::forbidden,
                fmt::format("cannot listen on {}: not permitted; ports below 1024 need "
                            "CAP_NET_BIND_SERVICE, unix sockets a writable folder",
                            where));
  }
  return fail(errno_error(number, fmt::format("cannot listen on {}", where)));
}

int backlog_of(const ListenEndpoint& endpoint) {
  return endpoint.backlog > 0 ? endpoint.backlog : kDefaultBacklog;
}

Result<Descriptor> open_tcp(const ListenEndpoint& endpoint, const Address& address, bool shared) {
  Descriptor socket(
      ::socket(address.get()->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return listen_failure(address.text);
  int on = 1;
  setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (endpoint.kind == ListenEndpoint::Kind::tcp6) {
    setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  }
  if (shared) setsockopt(socket.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  // Linux hands it on to accepted sockets: one system call less for each.
  setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (bind(socket.get(), address.get(), address.size) != 0 ||
      listen(socket.get(), backlog_of(endpoint)) != 0) {
    return listen_failure(address.text);
  }
  return socket;
}

std::uint16_t port_of(int fd) {
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size);
  in_port_t port = 0;
  if (bound.ss_family == AF_INET6) {
    port = reinterpret_cast<const sockaddr_in6*>(&bound)->sin6_port;
  } else if (bound.ss_family == AF_INET) {
    port = reinterpret_cast<const sockaddr_in*>(&bound)->sin_port;
  }
  return ntohs(port);
}

// A socket without SO_REUSEPORT can be bound only while nobody listens there. Asked first, because
// with SO_REUSEPORT a second node of the same user would share the port unnoticed.
Status require_free(const ListenEndpoint& endpoint, const Address& address) {
  auto probe = open_tcp(endpoint, address, /*shared=*/false);
  if (!probe) return fail(probe.error());
  return {};
}

Result<Listener> open_tcp_listener(const ListenEndpoint& endpoint, std::size_t workers) {
  Listener listener;
  listener.port = endpoint.port;
  if (endpoint.port != 0) {
    auto address = tcp_address(endpoint, endpoint.port);
    if (!address) return fail(address.error());
    if (auto is_free = require_free(endpoint, *address); !is_free) return fail(is_free.error());
  }
  for (std::size_t i = 0; i < workers; ++i) {
    auto address = tcp_address(endpoint, listener.port);
    if (!address) return fail(address.error());
    auto socket = open_tcp(endpoint, *address, workers > 1);
    if (!socket) return fail(socket.error());
    if (listener.port == 0) listener.port = port_of(socket->get());
    listener.sockets.push_back(std::move(*socket));
  }
  return listener;
}

// Whether a server answers at the socket file.
bool is_live(const sockaddr_un& address) {
  Descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  return connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
         errno == EAGAIN || errno == EINPROGRESS;
}

Result<Listener> open_unix_listener(const ListenEndpoint& endpoint, std::size_t workers) {
  const std::string where = "the unix socket " + endpoint.path;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (endpoint.path.empty() || endpoint.path.size() >= sizeof address.sun_path) {
    return fail(Errc::invalid_argument,
                fmt::format("cannot listen on {}: a path of 1 to {} bytes is needed", where,
                            sizeof address.sun_path - 1));
  }
  std::memcpy(address.sun_path, endpoint.path.c_str(), endpoint.path.size() + 1);
  struct stat status{};
  if (lstat(endpoint.path.c_str(), &status) == 0) {
    if (!S_ISSOCK(status.st_mode)) {
      return fail(Errc::already_exists,
                  fmt::format("cannot listen on {}: something else than a socket is there; move "
                              "it away",
                              where));
    }
    if (is_live(address)) {
      return fail(Errc::already_exists,
                  fmt::format("cannot listen on {}: another program answers there", where));
    }
    unlink(endpoint.path.c_str());
  }
  Listener listener;
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket || bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address)) {
    return listen_failure(where);
  }
  listener.unix_path = endpoint.path;
  if (endpoint.mode && chmod(endpoint.path.c_str(), *endpoint.mode) != 0) {
    return listen_failure(where);
  }
  if (listen(socket.get(), backlog_of(endpoint)) != 0) return listen_failure(where);
  for (std::size_t i = 1; i < workers; ++i) {
    int copy = fcntl(socket.get(), F_DUPFD_CLOEXEC, 0);
    if (copy < 0) return listen_failure(where);
    listener.sockets.emplace_back(copy);
  }
  listener.sockets.push_back(std::move(socket));
  return listener;
}

}  // namespace

void Descriptor::reset() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Result<Listener> open_listener(const ListenEndpoint& endpoint, std::size_t workers) {
  if (endpoint.kind == ListenEndpoint::Kind::unix_socket) {
    return open_unix_listener(endpoint, workers);
  }
  return open_tcp_listener(endpoint, workers);
}

}  // namespace sharestore::http
