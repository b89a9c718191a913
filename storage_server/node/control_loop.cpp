#include "storage_server/node/control_loop.h"

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>

#include <exception>

namespace sharestore {

namespace asio = boost::asio;

ControlLoop::ControlLoop() : work_(context_.get_executor()), thread_([this] { context_.run(); }) {}

void ControlLoop::join() {
  work_.reset();
  if (thread_.joinable()) thread_.join();
}

ControlLoop::Background ControlLoop::start(asio::awaitable<void> work) {
  Background background;
  background.state_ = std::make_shared<Background::State>();
  background.state_->executor = executor();
  auto promise = std::make_shared<std::promise<void>>();
  background.ended_ = promise->get_future();
  asio::co_spawn(context_, std::move(work),
                 asio::bind_cancellation_slot(
                     background.state_->signal.slot(),
                     [promise, state = background.state_](std::exception_ptr failure) {
                       if (failure) {
                         promise->set_exception(failure);
                       } else {
                         promise->set_value();
                       }
                     }));
  return background;
}

void ControlLoop::Background::cancel() {
  asio::post(state_->executor,
             [state = state_] { state->signal.emit(asio::cancellation_type::terminal); });
}

std::string ControlLoop::Background::wait() {
  try {
    ended_.get();
  } catch (const boost::system::system_error& error) {
    if (error.code() != asio::error::operation_aborted) return error.what();
  } catch (const std::exception& error) {
    return error.what();
  }
  return {};
}

}  // namespace sharestore
