// A non-blocking TLS connection to a server whose key is pinned: OpenSSL makes and opens the
// records in our own buffers, many of them per system call.
//
// One thread per object; Scratch is shared by the sockets of one thread. The context outlives them.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "backends/core/bytes.h"
#include "backends/core/error.h"
#include "bench/load/nurl.h"

struct ssl_ctx_st;
struct ssl_st;
struct ssl_session_st;

namespace sharestore::load {

// Any thread after create().
class TlsClientContext {
 public:
  // `cipher_suite`: the only one of TLS 1.3 to offer, as OpenSSL names it; empty: its own choice.
  static Result<std::unique_ptr<TlsClientContext>> create(const std::string& cipher_suite);
  ~TlsClientContext();
  TlsClientContext(const TlsClientContext&) = delete;
  TlsClientContext& operator=(const TlsClientContext&) = delete;

  ssl_ctx_st* get() const { return context_; }

 private:
  explicit TlsClientContext(ssl_ctx_st* context) : context_(context) {}
  ssl_ctx_st* context_;
};

using Session = std::shared_ptr<ssl_session_st>;

// Memory that a thread's sockets use in turn.
struct Scratch {
  std::vector<std::byte> wire = std::vector<std::byte>(std::size_t{512} << 10);
  std::vector<std::byte> text = std::vector<std::byte>(std::size_t{64} << 10);
};

class TlsSocket {
 public:
  enum class Flow {
    done,
    blocked,  // an event will tell when to go on
    ended,    // the server has closed
    failed,   // error() says why
  };

  TlsSocket(const TlsClientContext& context, Scratch& scratch)
      : context_(context), scratch_(scratch) {}
  ~TlsSocket();
  TlsSocket(const TlsSocket&) = delete;
  TlsSocket& operator=(const TlsSocket&) = delete;

  // Starts to connect; false: error() says why. `session` is resumed if the server agrees.
  bool open(const Target& target, const Session& session);
  void close();
  bool is_open() const { return socket_ >= 0; }
  int descriptor() const { return socket_; }
  const std::string& error() const { return error_; }

  // What epoll told.
  void note_events(unsigned events);

  // Connects, shakes hands and checks the server's key.
  Flow handshake();
  bool resumed() const;
  // The newest session that the server has given a ticket for.
  const Session& session() const { return session_; }

  // Sealed, and sent when enough has come together. False: send what is there first (flush()).
  bool write(ByteSpan bytes);
  Flow flush();
  bool has_output() const { return out_begin_ < out_.size(); }
  // Says that nothing more will come, and shuts the sending side.
  Flow shut();

  // The next bytes; the span lies in the scratch memory.
  Flow read(ByteSpan& bytes);

 private:
  friend class TlsClientContext;
  struct Wire;

  bool pin(const Target& target);
  Flow fail_with(std::string what);
  bool receive();

  const TlsClientContext& context_;
  Scratch& scratch_;
  Target target_;
  int socket_ = -1;
  ssl_st* ssl_ = nullptr;
  bool connecting_ = false;
  bool readable_ = false;
  bool hangup_ = false;
  bool writable_ = false;
  bool in_ended_ = false;
  const std::byte* in_begin_ = nullptr;
  const std::byte* in_end_ = nullptr;
  std::vector<std::byte> out_;
  std::size_t out_begin_ = 0;
  Session session_;
  std::string error_;
};

}  // namespace sharestore::load
