// The one error type of the project and the Result that carries it.
//
// Expected failures are values of `Result<T>`; an exception means a bug or no memory.
// Any thread; values are self-contained and copyable.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace sharestore {

// What a caller can act on. Few on purpose: the sentence is for people, the code is for programs.
enum class Errc : std::uint8_t {
  not_found,         // it is certainly not there
  already_exists,    // something of that name is there
  conflict,          // the bytes or the version differ from what the caller expects
  unauthorized,      // a secret, credential or signature was refused
  forbidden,         // understood and refused: readonly, not our container
  invalid_argument,  // the request itself is wrong; repeating it cannot help
  too_large,         // beyond a named limit
  no_space,          // disk full, quota reached or reserve touched
  unavailable,       // could not be determined or reached now; never to be taken for absent
  busy,              // a limit of the moment; try again later
  timed_out,         // the deadline passed
  cancelled,         // the node is stopping or the caller gave up
  corrupt,           // stored bytes are not what they must be
  unsupported,       // this store or build cannot do it
  io_error,          // the operating system or the store failed otherwise
};

// Short stable name, for logs and metrics: "not_found".
std::string_view to_string(Errc code);

class [[nodiscard]] Error {
 public:
  // `message` is one clear sentence: what, where, what was expected, what to do.
  // `outcome_known` is false when a change may have happened although this error is returned
  // (reply lost, sync failed): the caller must look before it assumes either.
  Error(Errc code, std::string message, bool outcome_known = true)
      : code_(code), outcome_known_(outcome_known), message_(std::move(message)) {}

  Errc code() const { return code_; }
  bool outcome_known() const { return outcome_known_; }
  const std::string& message() const { return message_; }

  // The same error with `context` and ": " before its sentence.
  Error with_context(std::string_view context) const;

 private:
  Errc code_;
  bool outcome_known_;
  std::string message_;
};

// An errno value as an Error: ENOENT not_found, EEXIST already_exists, ENOSPC and EDQUOT no_space,
// EACCES, EPERM and EROFS forbidden, EMFILE and ENFILE busy, everything else io_error.
// The sentence is "<what>: <strerror>".
Error errno_error(int error_number, std::string_view what);

template <class T>
using Result = std::expected<T, Error>;
using Status = std::expected<void, Error>;

inline std::unexpected<Error> fail(Errc code, std::string message, bool outcome_known = true) {
  return std::unexpected<Error>(Error(code, std::move(message), outcome_known));
}
inline std::unexpected<Error> fail(Error error) { return std::unexpected<Error>(std::move(error)); }

}  // namespace sharestore
