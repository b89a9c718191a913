#include "storage_server/grid/lookup.h"

#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "storage_server/grid/limits.h"

namespace sharestore::grid {

namespace asio = boost::asio;

namespace {

using Addresses = std::vector<asio::ip::address>;

// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables): counts threads of the process
std::atomic<int> running_lookups{0};

// Shared by the coroutine that waits and the thread that asks.
struct Lookup {
  explicit Lookup(const asio::any_io_executor& on) : executor(on) {
    answered.emplace(on, Monotonic::max());
  }

  std::mutex mutex;
  bool abandoned = false;  // nobody waits, and the executor may be gone
  bool done = false;
  Addresses addresses;
  std::string failure;

  asio::any_io_executor executor;
  std::optional<asio::steady_timer> answered;
};

asio::ip::address address_of(const addrinfo& entry) {
  asio::ip::tcp::endpoint endpoint;
  std::memcpy(endpoint.data(), entry.ai_addr, entry.ai_addrlen);
  endpoint.resize(entry.ai_addrlen);
  return endpoint.address();
}

void ask_system(const std::string& host, Addresses& addresses, std::string& failure) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_ADDRCONFIG;
  addrinfo* first = nullptr;
  const int error = ::getaddrinfo(host.c_str(), nullptr, &wanted, &first);
  if (error != 0) {
    failure = ::gai_strerror(error);
    return;
  }
  for (const addrinfo* at = first; at != nullptr; at = at->ai_next) {
    if (at->ai_family != AF_INET && at->ai_family != AF_INET6) continue;
    if (addresses.size() < kMaxTriedAddresses) addresses.push_back(address_of(*at));
  }
  ::freeaddrinfo(first);
  if (addresses.empty()) failure = "it has no address";
}

void run_lookup(const std::shared_ptr<Lookup>& lookup, const std::string& host) {
  Addresses addresses;
  std::string failure;
  ask_system(host, addresses, failure);
  running_lookups.fetch_sub(1);
  const std::lock_guard lock(lookup->mutex);
  if (lookup->abandoned) return;
  lookup->addresses = std::move(addresses);
  lookup->failure = std::move(failure);
  lookup->done = true;
  asio::post(lookup->executor, [lookup] {
    const std::lock_guard waiting(lookup->mutex);
    if (lookup->answered) lookup->answered->cancel();
  });
}

// Says on every way out that nobody waits any more. What the timer and the executor hold on to is
// given back here, on the loop's thread: the lookup's own thread may outlive the loop.
class Waiting {
 public:
  explicit Waiting(std::shared_ptr<Lookup> lookup) : lookup_(std::move(lookup)) {}
  ~Waiting() {
    const std::lock_guard lock(lookup_->mutex);
    lookup_->abandoned = true;
    lookup_->answered.reset();
    lookup_->executor = asio::any_io_executor();
  }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

 private:
  std::shared_ptr<Lookup> lookup_;
};

bool is_done(Lookup& lookup) {
  const std::lock_guard lock(lookup.mutex);
  return lookup.done;
}

asio::awaitable<void> wait_for_answer(std::shared_ptr<Lookup> lookup) {
  // The answer may be there before the wait begins.
  if (is_done(*lookup)) co_return;
  co_await lookup->answered->async_wait(asio::as_tuple(asio::use_awaitable));
}

}  // namespace

asio::awaitable<Result<Addresses>> look_up(std::string host, Clock& clock, Monotonic deadline) {
  using asio::experimental::awaitable_operators::operator||;
  boost::system::error_code no_number;
  if (const auto address = asio::ip::make_address(host, no_number); !no_number) {
    co_return Addresses{address};
  }
  if (running_lookups.fetch_add(1) >= kMaxLookups) {
    running_lookups.fetch_sub(1);
    co_return fail(Errc::busy, "too many lookups of host names hang");
  }
  auto lookup = std::make_shared<Lookup>(co_await asio::this_coro::executor);
  const Waiting waiting(lookup);
  try {
    std::thread(run_lookup, lookup, host).detach();
  } catch (const std::system_error&) {
    running_lookups.fetch_sub(1);
    co_return fail(Errc::busy, "no thread for looking up a host name");
  }
  co_await (wait_for_answer(lookup) || clock.sleep_until(deadline));
  const std::lock_guard lock(lookup->mutex);
  if (!lookup->done) co_return fail(Errc::timed_out, fmt::format("looking up {}", host));
  if (lookup->addresses.empty()) {
    co_return fail(Errc::not_found, fmt::format("looking up {}: {}", host, lookup->failure));
  }
  co_return std::move(lookup->addresses);
}

}  // namespace sharestore::grid
