// Host names to addresses, without a wait that cannot be ended.
//
// getaddrinfo cannot be cancelled, so it runs on a thread of its own that is left behind when its
// answer comes too late; a node that stops does not wait for name servers.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>

#include <string>
#include <vector>

#include "backends/core/clock.h"
#include "backends/core/error.h"

namespace sharestore::grid {

// At most kMaxTriedAddresses, in the system's order; a numeric address is itself.
// not_found: the name has none; timed_out; busy: too many lookups hang.
boost::asio::awaitable<Result<std::vector<boost::asio::ip::address>>> look_up(std::string host,
                                                                              Clock& clock,
                                                                              Monotonic deadline);

}  // namespace sharestore::grid
