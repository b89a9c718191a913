#include "backends/object/timed_wait.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

namespace sharestore {

namespace asio = boost::asio;

namespace {

struct Wait {
  AsyncEvent woken;
  asio::cancellation_signal stop;
};

asio::awaitable<void> ring(std::shared_ptr<Wait> wait, Clock& clock, Monotonic deadline) {
  co_await asio::this_coro::throw_if_cancelled(false);
  co_await clock.sleep_until(deadline);
  wait->woken.set();
}

asio::awaitable<void> pass_on(std::shared_ptr<Wait> wait, std::shared_ptr<AsyncEvent> event) {
  co_await event->wait();
  wait->woken.set();
}

}  // namespace

asio::awaitable<bool> wait_until(asio::any_io_executor alarms, Clock& clock,
                                 std::shared_ptr<AsyncEvent> event, Monotonic deadline) {
  if (event->is_set()) co_return true;
  if (clock.now() >= deadline) co_return false;
  const auto wait = std::make_shared<Wait>();
  asio::co_spawn(alarms, ring(wait, clock, deadline),
                 asio::bind_cancellation_slot(wait->stop.slot(), asio::detached));
  asio::co_spawn(alarms, pass_on(wait, event), asio::detached);
  co_await wait->woken.wait();
  // The alarm goes with its wait; emitted where it sleeps.
  asio::post(alarms, [wait]() { wait->stop.emit(asio::cancellation_type::all); });
  co_return event->is_set();
}

}  // namespace sharestore
