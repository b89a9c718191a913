// What a server counts.
//
// WorkerMetrics: written by one worker's thread, read by any. Metrics: a copy, plain values.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>

namespace sharestore::http {

struct Metrics {
  std::uint64_t connections_accepted = 0;
  std::uint64_t connections_open = 0;
  std::uint64_t connections_refused = 0;  // beyond a limit of connections
  std::uint64_t accept_pauses = 0;        // out of file descriptors
  std::uint64_t handshakes = 0;           // complete ones, resumed included
  std::uint64_t handshakes_resumed = 0;
  std::uint64_t handshakes_failed = 0;  // garbage, old versions, ended half-way
  std::uint64_t foolscap_refused = 0;
  std::uint64_t timeouts = 0;          // connections ended or bodies failed because time was up
  std::uint64_t memory_refused = 0;    // connections ended because memory was spent
  std::uint64_t requests_running = 0;  // handlers running now
  std::uint64_t bytes_in = 0;          // on the wire
  std::uint64_t bytes_out = 0;
  std::map<int, std::uint64_t> answers;  // by status

  Metrics& operator+=(const Metrics& other);
};

// A counter with one writer: no locked instruction.
class Counter {
 public:
  void add(std::uint64_t count = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  }
  void subtract(std::uint64_t count = 1) {
    value_.store(value_.load(std::memory_order_relaxed) - count, std::memory_order_relaxed);
  }
  std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_ = 0;
};

struct WorkerMetrics {
  Counter connections_accepted, connections_open, connections_refused, accept_pauses;
  Counter handshakes, handshakes_resumed, handshakes_failed, foolscap_refused;
  Counter timeouts, memory_refused, requests_running, bytes_in, bytes_out;
  std::array<Counter, 500> answers;  // status - 100

  Metrics read() const;
};

}  // namespace sharestore::http
