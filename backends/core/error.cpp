#include "backends/core/error.h"

#include <cerrno>
#include <system_error>

namespace sharestore {

std::string_view to_string(Errc code) {
  switch (code) {
    case Errc::not_found: return "not_found";
    case Errc::already_exists: return "already_exists";
    case Errc::conflict: return "conflict";
    case Errc::unauthorized: return "unauthorized";
    case Errc::forbidden: return "forbidden";
    case Errc::invalid_argument: return "invalid_argument";
    case Errc::too_large: return "too_large";
    case Errc::no_space: return "no_space";
    case Errc::unavailable: return "unavailable";
    case Errc::busy: return "busy";
    case Errc::timed_out: return "timed_out";
    case Errc::cancelled: return "cancelled";
    case Errc::corrupt: return "corrupt";
    case Errc::unsupported: return "unsupported";
    case Errc::io_error: return "io_error";
  }
  return "unknown";
}

Error Error::with_context(std::string_view context) const {
  std::string message(context);
  message.append(": ").append(message_);
  return Error(code_, std::move(message), outcome_known_);
}

namespace {

Errc code_of(int error_number) {
  switch (error_number) {
    case ENOENT: return Errc::not_found;
    case EEXIST: return Errc::already_exists;
    case ENOSPC:
    case EDQUOT: return Errc::no_space;
    case EACCES:
    case EPERM:
    case EROFS: return Errc::forbidden;
    case EMFILE:
    case ENFILE: return Errc::busy;
    default: return Errc::io_error;
  }
}

}  // namespace

Error errno_error(int error_number, std::string_view what) {
  std::string message(what);
  message.append(": ").append(std::generic_category().message(error_number));
  return Error(code_of(error_number), std::move(message));
}

}  // namespace sharestore
