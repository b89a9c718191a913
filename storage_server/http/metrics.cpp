#include "storage_server/http/metrics.h"

namespace sharestore::http {

Metrics WorkerMetrics::read() const {
  Metrics m;
  m.connections_accepted = connections_accepted.get();
  m.connections_open = connections_open.get();
  m.connections_refused = connections_refused.get();
  m.accept_pauses = accept_pauses.get();
  m.handshakes = handshakes.get();
  m.handshakes_resumed = handshakes_resumed.get();
  m.handshakes_failed = handshakes_failed.get();
  m.foolscap_refused = foolscap_refused.get();
  m.timeouts = timeouts.get();
  m.memory_refused = memory_refused.get();
  m.requests_running = requests_running.get();
  m.bytes_in = bytes_in.get();
  m.bytes_out = bytes_out.get();
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (std::uint64_t count = answers[i].get()) m.answers[static_cast<int>(i) + 100] = count;
  }
  return m;
}

Metrics& Metrics::operator+=(const Metrics& other) {
  connections_accepted += other.connections_accepted;
  connections_open += other.connections_open;
  connections_refused += other.connections_refused;
  accept_pauses += other.accept_pauses;
  handshakes += other.handshakes;
  handshakes_resumed += other.handshakes_resumed;
  handshakes_failed += other.handshakes_failed;
  foolscap_refused += other.foolscap_refused;
  timeouts += other.timeouts;
  memory_refused += other.memory_refused;
  requests_running += other.requests_running;
  bytes_in += other.bytes_in;
  bytes_out += other.bytes_out;
  for (const auto& [status, count] : other.answers) answers[status] += count;
  return *this;
}

}  // namespace sharestore::http
