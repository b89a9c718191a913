// Every limit of the transport, named. Defaults suit a storage node; an operator's web port may
// take smaller ones.
//
// Plain values, given to a Server at its start.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace sharestore::http {

struct Limits {
  // --- Heads (gbs-protocol.md section 1) ------------------------------------------------------
  // Request line and header lines together; at most kMaxHeadBytes. Beyond: 431.
  std::size_t head_bytes = 16 * 1024;
  std::size_t header_lines = 500;       // beyond: 431
  std::size_t target_bytes = 8 * 1024;  // beyond: 414

  // --- Time ---------------------------------------------------------------------------------
  // Measured by the Clock of the server, to the second. When one passes, the connection is closed.
  std::chrono::seconds handshake{10};  // from accept until TLS stands
  std::chrono::seconds head{10};       // from a head's first byte to its last
  std::chrono::seconds idle{60};       // between requests
  // A body that is being read, and an answer that is being sent, may make the other side wait this
  // long, plus one second for every `rate_floor_bytes` moved so far. A body read then fails with
  // timed_out; an answer is cut off. Waiting for our own stores is not counted.
  std::chrono::seconds stall{30};
  std::size_t rate_floor_bytes = 1024;
  std::chrono::seconds drain{5};   // throwing away the rest of a body before the next request
  std::chrono::seconds linger{5};  // letting a client read our last answer before the close

  // --- Counts, over all workers ----------------------------------------------------------------
  std::size_t connections = 16384;  // beyond: closed at accept
  // Of one IPv4 address or one IPv6 /64. Beyond: closed at accept. Not for loopback and unix
  // sockets, where an onion service or a proxy stands for many clients, unless `limit_loopback`.
  std::size_t connections_per_address = 1024;
  bool limit_loopback = false;
  // Requests whose handler runs. Beyond: 503 with Retry-After.
  std::size_t requests_in_flight = 2048;
  std::chrono::seconds retry_after{5};

  // --- Fairness: a connection that has had its turn waits for the others
  // ---------------------------
  std::size_t turn_bytes = 1024 * 1024;
  std::size_t pipelined = 64;  // requests answered in one turn; further ones wait in the socket

  // --- Bodies -------------------------------------------------------------------------------
  // Unread rest of a request body that is thrown away to keep the connection; a longer rest closes
  // it after the answer.
  std::size_t drain_bytes = 256 * 1024;
  // Thrown away after the last answer, so that a client that is still sending can read it.
  std::size_t linger_bytes = 8 * 1024 * 1024;
};

// Bounds that buffers are built for.
inline constexpr std::size_t kMaxHeadBytes = 16 * 1024;
// Most that one RequestBody::read() returns.
inline constexpr std::size_t kBodyPieceBytes = 256 * 1024;
// Answers are sealed and sent in pieces of this size. Each send may wake the peer's idle processor,
// which costs more than sealing does where that is a virtual one; what is larger leaves the caches.
inline constexpr std::size_t kSendBytes = 512 * 1024;
// Most of a body that is asked for at once of a source that has to wait.
inline constexpr std::size_t kFetchBytes = 256 * 1024;
// Most new connections taken before others get a turn.
inline constexpr int kAcceptBatch = 64;
// Most answers waiting in the accept queue of a listener that names no backlog of its own.
inline constexpr int kDefaultBacklog = 1024;

}  // namespace sharestore::http
