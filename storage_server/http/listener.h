// Listening sockets: bound before anything else starts, so that a taken port is one clear sentence.
//
// Values that own descriptors; any thread, one at a time.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "backends/core/error.h"
#include "config/endpoint.h"

namespace sharestore::http {

// A file descriptor, closed with its owner.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void reset();

 private:
  int fd_ = -1;
};

// One endpoint, open once per worker: TCP with SO_REUSEPORT, so that the kernel spreads
// connections; a unix socket as one socket that all share.
struct Listener {
  std::vector<Descriptor> sockets;
  std::uint16_t port = 0;  // the real one where the endpoint said 0
  std::string unix_path;   // to be removed at the end
};

// `unix_path` of a live server is left alone; a stale socket file is replaced.
// Errors say what to do: already_exists (port or path taken), forbidden (a port below 1024, a
// folder without write permission), invalid_argument (not a numeric address, a path too long),
// unavailable (no such address on this machine), otherwise as errno_error().
Result<Listener> open_listener(const ListenEndpoint& endpoint, std::size_t workers);

}  // namespace sharestore::http
