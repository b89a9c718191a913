// TLS for the transport: OpenSSL makes and opens the records, in our buffers; it never sees a
// socket.
//
// TlsContext: built before the workers start, one per worker; its ticket keys are shared by all
// (any thread). TlsChannel: one per connection, on its worker's thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>

#include "backends/core/bytes.h"
#include "backends/core/clock.h"
#include "backends/core/error.h"
#include "storage_server/http/buffer_pool.h"

struct ssl_st;
struct ssl_ctx_st;
struct bio_st;
struct evp_cipher_ctx_st;
struct evp_mac_ctx_st;

namespace sharestore::http {

// Where the record layer of the connection being worked on takes its bytes from and puts them. One
// per worker; bound to a connection before its channel is used.
struct Wire {
  const std::byte* in_begin = nullptr;
  const std::byte* in_end = nullptr;
  bool in_ended = false;  // the peer will send no more
  BufferPool* pool = nullptr;
  std::unique_ptr<Buffer>* out = nullptr;  // the connection's; filled from the pool when needed

  std::size_t in_size() const { return static_cast<std::size_t>(in_end - in_begin); }
  Buffer& output() {
    if (!*out) *out = pool->get();
    return **out;
  }
};

// Keys that seal session tickets. They change with time, so that a stolen key opens little.
// Any thread.
class TicketKeys {
 public:
  // A key seals for one period and opens for two.
  static constexpr std::chrono::hours kPeriod{6};

  // `clock` outlives it.
  explicit TicketKeys(Clock& clock);
  ~TicketKeys();

  // OpenSSL's callback: 1 use, 2 use and renew the ticket, 0 unknown key, -1 failure.
  int select(unsigned char* name, unsigned char* iv, evp_cipher_ctx_st* cipher, evp_mac_ctx_st* mac,
             bool sealing);

 private:
  struct Key {
    std::array<unsigned char, 16> name{};
    std::array<unsigned char, 32> cipher{};
    std::array<unsigned char, 32> mac{};
    Monotonic made;
    bool valid = false;
  };

  static bool fill(Key& key, Monotonic now);

  Clock& clock_;
  std::mutex mutex_;
  Key current_;
  Key previous_;
};

class TlsContext {
 public:
  // invalid_argument: the PEM texts hold no certificate and key that belong together.
  static Result<TlsContext> create(std::string_view certificate_chain_pem,
                                   std::string_view private_key_pem,
                                   std::shared_ptr<TicketKeys> ticket_keys);
  TlsContext(TlsContext&&) noexcept;
  TlsContext& operator=(TlsContext&&) noexcept;
  ~TlsContext();

 private:
  friend class TlsChannel;
  TlsContext() = default;

  ssl_ctx_st* context_ = nullptr;
  std::shared_ptr<TicketKeys> ticket_keys_;
};

enum class Flow : std::uint8_t {
  done,
  want_input,  // the wire has no more
  ended,       // the peer closed in an orderly way, or the stream ended
  failed,      // not TLS, forged, or beyond what we accept; an alert may be in the output
};

class TlsChannel {
 public:
  // Both outlive the channel.
  TlsChannel(TlsContext& context, Wire& wire);
  TlsChannel(TlsChannel&& other) noexcept : ssl_(other.ssl_) { other.ssl_ = nullptr; }
  TlsChannel& operator=(TlsChannel&&) = delete;
  ~TlsChannel();

  Flow handshake();
  bool resumed() const;

  // Fills `into` as far as the wire's input goes; `got` is the number of bytes, whatever the flow.
  Flow read(MutableByteSpan into, std::size_t& got);
  // Bytes that are open but were not read yet.
  std::size_t pending() const;
  // Whether anything of the input is inside, part of a record included.
  bool holds_input() const;
  // Seals `bytes` in records of at most kPlainBytes. The output must have the room; false: a bug or
  // a dead connection.
  bool write(ByteSpan bytes);
  // Puts a close_notify into the output.
  void shutdown();

 private:
  ssl_st* ssl_ = nullptr;
};

}  // namespace sharestore::http
