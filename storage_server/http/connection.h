// One client's connection: what must be remembered while no thread is working on it.
//
// Belongs to one worker and is touched on its thread only. Connections never move; a closed one's
// place is used again under the next generation, so that whoever kept (slot, generation) across a
// wait finds out that its connection is gone.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "backends/core/memory_budget.h"
#include "storage_server/http/buffer_pool.h"
#include "storage_server/http/chunked_decoder.h"
#include "storage_server/http/listener.h"
#include "storage_server/http/message.h"
#include "storage_server/http/request_parser.h"
#include "storage_server/http/timeouts.h"
#include "storage_server/http/tls_engine.h"

namespace sharestore::http {

class RunningRequest;
class BodyFetch;

struct ConnectionRef {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
};

enum class Phase : std::uint8_t {
  handshake,  // TLS, once the first byte shows that it is TLS
  head,       // between requests, or a head is arriving
  handling,   // a handler's coroutine has the request
  answering,  // bytes of the answer are left
  fetching,   // and its source is being waited for
  draining,   // the rest of a request's body is thrown away
  closing,    // the last bytes go out
  lingering,  // our side is shut; what the client still sends is thrown away
};

// Bytes that were read from the socket but not used yet, kept while the worker does other things.
struct HeldBytes {
  std::unique_ptr<std::byte[]> bytes;
  std::size_t size = 0;
  MemoryBudget::Ticket ticket;

  explicit operator bool() const { return size > 0; }
};

// How far the body of the current request has come.
struct BodyState {
  std::uint64_t left = 0;                   // of a body with a Content-Length
  std::unique_ptr<ChunkedDecoder> decoder;  // of a chunked one
  std::uint64_t received = 0;
  bool finished = true;
  bool failed = false;             // bad chunks, or too slow: nothing more is to be expected
  bool continue_expected = false;  // and "100 Continue" was not sent yet
};

// The part of an answer that did not fit its first record.
struct PendingAnswer {
  Bytes body;
  std::shared_ptr<BodySource> stream;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  Bytes chunk;  // what the stream's read() returned, from `offset` on
};

// Counts connections of one address; see Limits::connections_per_address.
struct AddressKey {
  std::uint64_t bits = 0;
  bool v6 = false;
  bool counted = false;

  bool operator==(const AddressKey&) const = default;
};

struct Connection : TimeoutHook {
  Descriptor socket;
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  Phase phase = Phase::handshake;

  // What the socket is known to be.
  bool readable = false;    // may hold bytes that were not received yet
  bool hangup = false;      // the peer has shut its side; recv() will end in 0
  bool in_ended = false;    // recv() did
  bool blocked = false;     // full; EPOLLOUT will tell
  bool dead = false;        // to be closed as soon as nobody works on it
  bool input_idle = false;  // an attempt to read found nothing; cleared by the next event
  bool queued_again = false;

  // What was agreed for the answer in progress.
  bool keep_alive = true;
  bool http10 = false;
  bool first_bytes_seen = false;
  bool close_sent = false;
  Method method = Method::other;
  int status = 0;
  std::uint64_t request_id = 0;
  std::uint64_t sent = 0;  // of the answer's body
  Monotonic started;
  bool logged = false;      // the current request goes into the request log
  std::string logged_path;  // then

  std::optional<TlsChannel> tls;
  std::unique_ptr<Buffer> out;
  HeldBytes held_wire;  // as received
  HeldBytes held_text;  // opened
  std::size_t head_scanned = 0;

  BodyState body;
  std::unique_ptr<PendingAnswer> answer;
  std::shared_ptr<RunningRequest> running;
  std::shared_ptr<BodyFetch> fetch;

  Monotonic blocked_since;
  Duration stalled{};                  // waited for the client to take the current answer
  std::uint64_t flushed_at_start = 0;  // `flushed` when that answer began
  std::uint64_t flushed = 0;           // bytes given to the socket
  std::size_t lingered = 0;
  AddressKey address;

  ConnectionRef ref() const { return {slot, generation}; }
};

}  // namespace sharestore::http
