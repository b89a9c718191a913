// Requests and answers as the handlers see them: HTTP without sockets.
//
// A request belongs to one worker (one thread, one io_context). Everything here is used on that
// worker's thread only.
#pragma once

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/core/bytes.h"
#include "backends/core/op_context.h"
#include "backends/core/task.h"

namespace sharestore::http {

enum class Method : std::uint8_t { get, head, post, put, patch, del, options, other };

struct HeaderLine {
  std::string_view name;   // as received; compare without case
  std::string_view value;  // surrounding blanks removed, otherwise as received
};

// The head of one request. The text lives until its answer is complete, suspensions included.
class Request {
 public:
  Method method = Method::other;
  std::string_view method_text;
  // Path without the query; not decoded.
  std::string_view path;
  std::string_view query;
  std::vector<HeaderLine> headers;  // raw lines in order; repeated names are never folded
  std::uint64_t id = 0;             // unique in the process, for logs

  // First or last line of that name (given in lower case), or nothing.
  std::optional<std::string_view> first_header(std::string_view lower_name) const;
  std::optional<std::string_view> last_header(std::string_view lower_name) const;
};

// The body of a request as it arrives. Bytes not read stay in the client's socket: reading slowly
// holds the sender back. Sends "100 Continue" at the first read if the client waits for it.
class RequestBody {
 public:
  virtual ~RequestBody() = default;

  // Content-Length, or nothing for a chunked body.
  virtual std::optional<std::uint64_t> length() const = 0;

  // The next bytes, at most `max_bytes` (and at most http::kBodyPieceBytes); empty at the end of
  // the body. They are charged to the memory budget until the last copy of them goes. cancelled:
  // the client went away or the node stops. timed_out: slower than the rate floor (Limits::stall).
  // busy: no memory became free in time. invalid_argument: bad chunking.
  virtual Task<Bytes> read(std::size_t max_bytes) = 0;
};

// A body that is produced while it is sent. Used by one answer.
class BodySource {
 public:
  virtual ~BodySource() = default;
  virtual std::uint64_t size() const = 0;
  // Copies bytes from `offset` into `into` if that needs no waiting; must then fill it whole.
  virtual std::optional<std::size_t> read_now(std::uint64_t offset, MutableByteSpan into) = 0;
  // The bytes from `offset`, between 1 and `max_bytes`. An error ends the connection: the answer
  // has begun.
  virtual Task<Bytes> read(std::uint64_t offset, std::size_t max_bytes) = 0;
};

// An answer. Content-Length, Date and Connection are added by the transport.
struct Response {
  int status = 200;
  // Static storage or text that outlives the answer.
  std::string_view content_type;
  // Rendered header lines, each ending in CRLF: "Content-Range: bytes 0-9/*\r\n".
  std::string extra_headers;
  Bytes body;
  std::shared_ptr<BodySource> stream;  // instead of body
  // Close the connection after this answer.
  bool close = false;

  static Response empty(int status) {
    Response response;
    response.status = status;
    return response;
  }
};

// What a server does with requests. One handler serves all workers: its members are called from
// every worker's thread at once.
class Handler {
 public:
  virtual ~Handler() = default;

  // The answer if it needs no request body and no waiting; otherwise nothing, and handle() is
  // called. Must not block. This is the hot path: version, cached reads, lists.
  virtual std::optional<Response> try_handle(const Request& request, OpContext context) = 0;

  // The answer, whenever it is ready. May leave the body unread: the transport then drains a little
  // or closes. `request` and `body` live until the coroutine has ended.
  //
  // The context's deadline is limits::kRequestBudget after the head was complete. Waiting for the
  // client's own bytes is bounded by body.read() alone, so a handler that has read a long body
  // makes itself a context with a fresh budget.
  //
  // Cancelled (cancellation_type::terminal) when the client goes away or the node stops; nothing is
  // thrown into the coroutine for it: what it waits for ends with Errc::cancelled or with its own
  // result. The server waits for its end before it stops.
  virtual boost::asio::awaitable<Response> handle(const Request& request, RequestBody& body,
                                                  OpContext context) = 0;
};

}  // namespace sharestore::http
