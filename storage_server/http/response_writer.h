// Heads of answers as text.
//
// One writer per worker, used on its thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "backends/core/clock.h"
#include "storage_server/http/message.h"

namespace sharestore::http {

inline constexpr std::string_view kContinueHead = "HTTP/1.1 100 Continue\r\n\r\n";
// What a Foolscap client is told that tries to reach the port (foolscap-announce.md section 3): it
// logs the sentence.
inline constexpr std::string_view kFoolscapRefusal =
    "HTTP/1.1 500 Internal Server Error: this storage node speaks only the HTTP storage protocol, "
    "not Foolscap\r\n\r\n";

enum class Persistence : std::uint8_t {
  implied,     // HTTP/1.1 goes on
  keep_alive,  // HTTP/1.0 goes on and must be told
  close,
};

class ResponseWriter {
 public:
  // "Sun, 06 Nov 1994 08:49:37 GMT" for the Date lines from now on; formatted once per second.
  void set_time(WallTime now);

  // The head of `response`, whose body has `body_bytes`, into `out` (its capacity is kept).
  // Content-Length is left out where it must not be sent (1xx, 204, and 304, which has no body).
  void head(std::string& out, const Response& response, std::uint64_t body_bytes,
            Persistence persistence) const;

 private:
  std::int64_t date_second_ = -1;
  std::string date_line_;
};

}  // namespace sharestore::http
