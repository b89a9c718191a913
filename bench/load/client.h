// One connection of the load: opens it, runs its script, opens it again when the server closes.
//
// Used on its thread only.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "bench/load/answer_reader.h"
#include "bench/load/histogram.h"
#include "bench/load/script.h"
#include "bench/load/tls_socket.h"

namespace sharestore::load {

using Time = std::chrono::steady_clock;

// What one thread counted.
struct Tally {
  Histogram latency;  // of operations
  std::uint64_t operations = 0;
  std::uint64_t requests = 0;
  std::uint64_t payload_bytes = 0;
  std::uint64_t connects = 0;  // handshakes done
  std::uint64_t resumed = 0;   // of these
  std::uint64_t errors = 0;
  std::string first_error;
};

// What the clients of a run have in common. Any thread.
struct RunState {
  std::atomic<bool> measuring = false;
  std::atomic<bool> stopping = false;    // no new operations
  std::atomic<std::uint64_t> begun = 0;  // operations
  std::atomic<std::uint64_t> finished = 0;
  std::atomic<std::uint64_t> connected = 0;  // now
  std::uint64_t max_operations = 0;          // 0: until stopping
};

// Makes the script of a client (by its number), or, where scripts are for one operation each, of an
// operation. Null: there is no such operation.
struct ScriptSource {
  std::function<std::unique_ptr<Script>(std::uint64_t)> make;
  bool one_operation_each = false;
};

struct ClientOptions {
  Mode mode = Mode::version;
  std::chrono::seconds stall{60};  // nothing happened for so long: the operation has failed
};

class Client {
 public:
  // All that is given outlives it.
  Client(const TlsClientContext& context, Scratch& scratch, const Plan& plan, ClientOptions options,
         const ScriptSource& source, RunState& run, Tally& tally, std::uint64_t number);

  // The epoll set that the socket joins, and the value that names this client in it.
  void start(int epoll, std::uint64_t tag);
  void on_events(unsigned events);
  // Gives up what does not move on; ends what must not go on.
  void on_tick(Time::time_point now);
  bool over() const { return state_ == State::over; }

 private:
  enum class State { closed, handshake, exchange, idle, shutting, over };

  void work();
  bool step();
  bool connect();
  bool connected();
  bool begin_operation();
  void begin_request();
  bool send_more();
  bool receive_more();
  bool answer_complete();
  bool connection_ended();
  void operation_done(const Verdict& verdict);
  void failed(const std::string& what);
  void disconnect();
  void end();

  const Plan& plan_;
  const ClientOptions options_;
  const ScriptSource& source_;
  RunState& run_;
  Tally& tally_;
  const std::uint64_t number_;

  TlsSocket socket_;
  int epoll_ = -1;
  std::uint64_t tag_ = 0;
  State state_ = State::closed;
  std::unique_ptr<Script> script_;
  Session session_;
  Request request_;
  std::uint64_t body_sent_ = 0;
  Answer answer_;
  AnswerReader reader_;
  std::function<void(ByteSpan)> take_body_;
  bool in_operation_ = false;
  bool answering_ = false;  // a request is out
  bool counted_ = false;    // as connected
  Time::time_point operation_began_;
  Time::time_point last_progress_;
};

}  // namespace sharestore::load
