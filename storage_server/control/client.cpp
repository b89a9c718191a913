#include "storage_server/control/client.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <array>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

#include "storage_server/control/limits.h"
#include "storage_server/control/socket_path.h"

namespace sharestore::control {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

std::unexpected<Error> nobody_answers(const fs::path& directory, int number) {
  if (number == ENOENT || number == ECONNREFUSED) {
    std::error_code unknown;
    if (!fs::is_directory(directory, unknown)) {
      return fail(Errc::not_found, directory.string() + ": there is no such directory");
    }
    return fail(Errc::not_found,
                fmt::format("{}: no node runs here, or it is just starting or stopping",
                            directory.string()));
  }
  if (number == EACCES || number == EPERM) {
    return fail(Errc::forbidden,
                fmt::format("{}: only the user who runs this node, and root, may ask it",
                            directory.string()));
  }
  if (number == EAGAIN) {
    return fail(Errc::timed_out,
                fmt::format("{}: the node here takes no more commands", directory.string()));
  }
  return fail(errno_error(number, (directory / kSocketName).string()));
}

void bound_waits(int socket) {
  const timeval silence{kSilence.count(), 0};
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof silence);
  ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &silence, sizeof silence);
}

Result<http::Descriptor> connect_to(const fs::path& directory) {
  const auto path = SocketPath::of(directory);
  if (!path) return fail(path.error());
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path->path().c_str(), path->path().size() + 1);
  http::Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail(errno_error(errno, "a unix socket"));
  bound_waits(socket.get());
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return nobody_answers(directory, errno);
  }
  return socket;
}

Errc code_named(std::string_view name) {
  for (int code = 0; code <= static_cast<int>(Errc::io_error); ++code) {
    if (to_string(static_cast<Errc>(code)) == name) return static_cast<Errc>(code);
  }
  return Errc::io_error;
}

// Lines of an answer as they come.
class AnswerReader {
 public:
  explicit AnswerReader(int socket) : socket_(socket) {}

  // The next line, which is a JSON object.
  Result<json::object> next() {
    std::size_t end = 0;
    while ((end = text_.find('\n')) == std::string::npos) {
      if (text_.size() > kMaxLineBytes) return not_understood();
      if (auto more = read_more(); !more) return fail(more.error());
    }
    boost::system::error_code wrong;
    json::value value = json::parse(std::string_view(text_).substr(0, end), wrong);
    text_.erase(0, end + 1);
    if (wrong || !value.is_object()) return not_understood();
    return std::move(value.get_object());
  }

 private:
  static std::unexpected<Error> not_understood() {
    return fail(Errc::unsupported,
                "the node's answer is not understood: it is of another version than this program");
  }

  Status read_more() {
    std::array<char, 16384> piece;
    const ssize_t got = ::recv(socket_, piece.data(), piece.size(), 0);
    if (got > 0) {
      text_.append(piece.data(), static_cast<std::size_t>(got));
      return {};
    }
    if (got < 0 && errno == EINTR) return {};
    if (got < 0 && errno == EAGAIN) {
      return fail(Errc::timed_out, fmt::format("the node was silent for {} s; its log may say why",
                                               kSilence.count()));
    }
    return fail(Errc::unavailable, "the node stopped before it had answered");
  }

  int socket_;
  std::string text_;
};

Error told_error(const json::object& told) {
  const json::value* code = told.if_contains("code");
  const json::value* message = told.if_contains("message");
  const bool whole =
      code != nullptr && message != nullptr && code->is_string() && message->is_string();
  if (!whole) return Error(Errc::io_error, "the node failed and did not say why");
  return Error(code_named(code->get_string()), std::string(message->get_string()));
}

}  // namespace

Result<json::object> ask_node(const fs::path& node_directory, std::string_view command,
                              const json::object& arguments, const OnProgress& on_progress) {
  const auto socket = connect_to(node_directory);
  if (!socket) return fail(socket.error());
  const json::object request{{"command", command}, {"arguments", arguments}};
  const std::string line = json::serialize(request) + '\n';
  // A node that refuses may have closed already; what it said is read all the same. The line fits
  // into the socket's buffer, so it goes out whole or not at all.
  ::send(socket->get(), line.data(), line.size(), MSG_NOSIGNAL);
  AnswerReader answers(socket->get());
  while (true) {
    auto answer = answers.next();
    if (!answer) return fail(answer.error());
    if (json::value* result = answer->if_contains("result"); result && result->is_object()) {
      return std::move(result->get_object());
    }
    if (const json::value* error = answer->if_contains("error"); error && error->is_object()) {
      return fail(told_error(error->get_object()));
    }
    const json::value* progress = answer->if_contains("progress");
    if (on_progress && progress != nullptr && progress->is_object()) {
      on_progress(progress->get_object());
    }
  }
}

}  // namespace sharestore::control
