// Worker: new connections.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "storage_server/http/running_request.h"
#include "storage_server/http/worker.h"

namespace sharestore::http {
namespace {

constexpr std::uint64_t kListenerTag = 1ULL << 63;

// The connection's address for counting; `counted` is false where a limit makes no sense.
AddressKey key_of(const sockaddr_storage& from, bool limit_loopback) {
  AddressKey key;
  if (from.ss_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &from, sizeof in);
    std::uint32_t address = ntohl(in.sin_addr.s_addr);
    key.bits = address;
    key.counted = limit_loopback || address >> 24 != IN_LOOPBACKNET;
  } else if (from.ss_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, &from, sizeof in);
    std::memcpy(&key.bits, in.sin6_addr.s6_addr, sizeof key.bits);
    key.v6 = true;
    key.counted = limit_loopback || !IN6_IS_ADDR_LOOPBACK(&in.sin6_addr);
  }
  return key;
}

}  // namespace

bool AddressCounts::add(const AddressKey& key, std::size_t limit) {
  if (!key.counted) return true;
  std::lock_guard lock(mutex_);
  std::size_t& count = counts_[key];
  if (count >= limit) return false;
  ++count;
  return true;
}

void AddressCounts::remove(const AddressKey& key) {
  if (!key.counted) return;
  std::lock_guard lock(mutex_);
  auto found = counts_.find(key);
  if (found != counts_.end() && --found->second == 0) counts_.erase(found);
}

void Worker::accept_from(std::size_t listener) {
  if (listener >= listeners_.size()) return;
  for (int i = 0; i < kAcceptBatch; ++i) {
    sockaddr_storage from{};
    socklen_t size = sizeof from;
    Descriptor socket(accept4(listeners_[listener].get(), reinterpret_cast<sockaddr*>(&from), &size,
                              SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      // Out of descriptors or kernel memory: the queue would only call again at once.
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        pause_accepting();
      }
      return;
    }
    metrics_.connections_accepted.add();
    AddressKey address = key_of(from, limits_.limit_loopback);
    bool fits = shared_.connections.load(std::memory_order_relaxed) < limits_.connections &&
                shared_.addresses.add(address, limits_.connections_per_address);
    if (!fits || !open_connection(std::move(socket), address)) metrics_.connections_refused.add();
  }
}

bool Worker::open_connection(Descriptor socket, const AddressKey& address) {
  if (vacant_.empty()) {
    auto slot = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back().slot = slot;
    vacant_.push_back(slot);
  }
  Connection& c = slots_[vacant_.back()];
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.u64 = std::uint64_t{c.generation} << 32 | c.slot;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, socket.get(), &event) != 0) {
    shared_.addresses.remove(address);
    return false;
  }
  vacant_.pop_back();
  c.socket = std::move(socket);
  c.address = address;
  c.phase = tls_ ? Phase::handshake : Phase::head;
  shared_.connections.fetch_add(1, std::memory_order_relaxed);
  active_.fetch_add(1, std::memory_order_relaxed);
  metrics_.connections_open.add();
  // From the start, also without TLS: a client that connects has something to say.
  timeouts_.arm(c, tls_ ? TimeoutKind::handshake : TimeoutKind::head, now_);
  return true;
}

void Worker::pause_accepting() {
  if (!std::exchange(accepting_, false)) return;
  metrics_.accept_pauses.add();
  for (const Descriptor& listener : listeners_) {
    epoll_ctl(epoll_, EPOLL_CTL_DEL, listener.get(), nullptr);
  }
}

void Worker::resume_accepting() {
  if (shared_.draining.load(std::memory_order_relaxed) || std::exchange(accepting_, true)) return;
  for (std::size_t i = 0; i < listeners_.size(); ++i) {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLEXCLUSIVE;  // level triggered: what a batch left is told again
    event.data.u64 = kListenerTag | i;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, listeners_[i].get(), &event);
  }
}

void Worker::close_listeners() {
  accepting_ = false;
  listeners_.clear();
}

}  // namespace sharestore::http
