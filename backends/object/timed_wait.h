// Waiting for something that others make happen, and no longer than a deadline.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <memory>

#include "backends/core/async_event.h"
#include "backends/core/clock.h"

namespace sharestore {

// True: the event has happened. False: the deadline came first; the event may still happen. Whoever
// owns the event sets it some time, whatever happens. `alarms`: where the alarm sleeps, one thread;
// it and the clock outlive the wait.
boost::asio::awaitable<bool> wait_until(boost::asio::any_io_executor alarms, Clock& clock,
                                        std::shared_ptr<AsyncEvent> event, Monotonic deadline);

}  // namespace sharestore
