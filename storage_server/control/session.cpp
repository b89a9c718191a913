#include "storage_server/control/session.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <cerrno>
#include <exception>

#include "backends/core/log.h"
#include "config/text.h"
#include "storage_server/control/limits.h"

namespace sharestore::control {

namespace asio = boost::asio;
namespace json = boost::json;
using asio::experimental::awaitable_operators::operator||;

namespace {

constexpr auto kNoThrow = asio::as_tuple(asio::use_awaitable);

asio::awaitable<void> read_line(Session::Socket& socket, std::string& line) {
  co_await asio::async_read_until(socket, asio::dynamic_buffer(line, kMaxRequestBytes), '\n',
                                  kNoThrow);
}

asio::awaitable<void> write_all(Session::Socket& socket, const std::string& line, bool& done) {
  const auto [error, written] = co_await asio::async_write(socket, asio::buffer(line), kNoThrow);
  done = !error;
}

asio::awaitable<void> readable(Session::Socket& socket) {
  co_await socket.async_wait(Session::Socket::wait_read, kNoThrow);
}

// Whether the client has closed, or sent what it may not.
bool has_left(Session::Socket& socket) {
  char byte = 0;
  const ssize_t got = ::recv(socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

json::object error_line(const Error& error) {
  return {{"error", {{"code", to_string(error.code())}, {"message", error.message()}}}};
}

}  // namespace

Session::Session(Socket socket, const Commands& commands, Clock& clock)
    : socket_(std::move(socket)),
      commands_(commands),
      clock_(clock),
      context_(clock, clock.now()) {}

asio::awaitable<void> Session::run() {
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto self = shared_from_this();
  const auto command = co_await read_request();
  if (lost_) co_return;
  if (!command) {
    co_await answer(fail(command.error()));
    co_return;
  }
  context_ = OpContext(clock_, clock_.now() + (*command)->budget);
  Result<json::object> result = fail(Errc::cancelled, "the command was not run");
  co_await (execute(*command, &result) || watch_client());
  co_await answer(std::move(result));
}

Task<const Command*> Session::read_request() {
  std::string line;
  co_await (read_line(socket_, line) || clock_.sleep_until(clock_.now() + kRequestTime));
  const std::size_t end = line.find('\n');
  if (end == std::string::npos) {
    // Nothing at all: somebody looked whether the socket is alive.
    if (line.empty()) lost_ = true;
    co_return fail(Errc::invalid_argument,
                   fmt::format("a request is one line of at most {} bytes, sent within {} s",
                               kMaxRequestBytes, kRequestTime.count()));
  }
  boost::system::error_code wrong;
  const json::value value = json::parse(std::string_view(line).substr(0, end), wrong);
  const json::object* request = value.if_object();
  const json::value* name = request == nullptr ? nullptr : request->if_contains("command");
  const json::value* arguments = request == nullptr ? nullptr : request->if_contains("arguments");
  if (wrong || end + 1 != line.size() || name == nullptr || !name->is_string() ||
      (arguments != nullptr && !arguments->is_object())) {
    co_return fail(Errc::invalid_argument,
                   R"(a request is one line {"command": "NAME", "arguments": {}})");
  }
  const std::string_view wanted = name->get_string();
  const Command* command = commands_.find(wanted);
  if (command == nullptr) {
    co_return fail(Errc::not_found, "the node does not know the command " + in_quotes(wanted) +
                                        "; it may be of another version than this program");
  }
  if (arguments != nullptr) arguments_ = arguments->get_object();
  co_return command;
}

asio::awaitable<void> Session::execute(const Command* command, Result<json::object>* result) {
  co_await asio::this_coro::throw_if_cancelled(false);
  try {
    *result = co_await command->run(shared_from_this());
  } catch (const std::exception& error) {
    log::error("a control command failed: {}", error.what());
    *result = fail(Errc::io_error, "the command failed; the node's log says more");
  }
}

asio::awaitable<void> Session::watch_client() {
  co_await asio::this_coro::throw_if_cancelled(false);
  while (!lost_) {
    const Monotonic next = clock_.now() + kSignOfLifeEvery;
    co_await (readable(socket_) || clock_.sleep_until(next));
    if ((co_await asio::this_coro::cancellation_state).cancelled() !=
        asio::cancellation_type::none) {
      co_return;
    }
    if (has_left(socket_)) lost_ = true;
    if (!lost_ && clock_.now() >= next) send_sign_of_life();
  }
}

asio::awaitable<void> Session::send(json::object line) {
  if (lost_) co_return;
  std::string text = json::serialize(line) + '\n';
  if (text.size() > kMaxLineBytes) {
    const Error error(Errc::too_large,
                      fmt::format("the answer is longer than {} bytes", kMaxLineBytes));
    text = json::serialize(error_line(error)) + '\n';
  }
  bool done = false;
  writing_ = true;
  co_await (write_all(socket_, text, done) || clock_.sleep_until(clock_.now() + kWriteTime));
  writing_ = false;
  if (!done) lost_ = true;
}

// Without waiting, so that the end of the command cannot cut it: a client that has not taken what
// was sent before needs none.
void Session::send_sign_of_life() {
  constexpr std::string_view kLine = "{\"working\":true}\n";
  if (!writing_) ::send(socket_.native_handle(), kLine.data(), kLine.size(), MSG_DONTWAIT);
}

asio::awaitable<void> Session::progress(json::object what) {
  co_await send({{"progress", std::move(what)}});
}

asio::awaitable<void> Session::answer(Result<json::object> result) {
  if (result) {
    co_await send({{"result", std::move(*result)}});
  } else {
    co_await send(error_line(result.error()));
  }
}

}  // namespace sharestore::control
