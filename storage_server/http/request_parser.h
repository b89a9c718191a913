// The head of an HTTP/1.x request, scanned without copying or allocating.
//
// Pure functions over the caller's text; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "storage_server/http/limits.h"
#include "storage_server/http/message.h"

namespace sharestore::http {

// What the transport itself needs to know of a head.
struct Framing {
  bool keep_alive = true;
  bool http10 = false;
  bool expects_continue = false;
  bool chunked = false;
  std::uint64_t content_length = 0;  // 0 also for a request without a body
};

enum class ParseState : std::uint8_t {
  complete,
  more,  // so far good, not whole yet
  bad,   // answer `status` and close
};

struct ParseResult {
  ParseState state = ParseState::more;
  std::size_t head_bytes = 0;  // complete: what to remove from the text, the empty line included
  int status = 400;            // bad: 400, 414, 417, 431, 501 or 505
};

// Parses the head at the start of `text`. `request` and `framing` are overwritten (the header
// vector keeps its capacity) and point into `text`; they mean something only with `complete`.
// One empty line before the request line is skipped (RFC 9112 section 2.2).
//
// Refused with 400: a bare CR or LF, blanks before a colon, folded lines, control characters,
// Content-Length twice or not plain digits below 2^63, Content-Length with Transfer-Encoding,
// Transfer-Encoding in HTTP/1.0, two Host lines. A missing Host is accepted: there is one site.
ParseResult parse_head(std::string_view text, const Limits& limits, Request& request,
                       Framing& framing);

// Whether `text` has an end of head at or after `from`: worth another parse_head().
bool has_head_end(std::string_view text, std::size_t from);

}  // namespace sharestore::http
