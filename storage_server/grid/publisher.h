// One introducer, connected to for as long as the node runs, and told about it on each connection.
//
// `run` belongs to one single-threaded executor; `state` is for any thread.
#pragma once

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "backends/core/clock.h"
#include "backends/core/error.h"
#include "config/endpoint.h"
#include "config/furl.h"
#include "storage_server/grid/announcement.h"
#include "storage_server/grid/link.h"

namespace sharestore::grid {

// For status, metrics and pages. Holds no capability.
struct IntroducerState {
  std::string petname;
  // The announcement was accepted on the connection that is open now.
  bool connected = false;
  // Why there is no connection; empty while there is one and before the first attempt has ended.
  // A sentence; what the peer said is part of it, in quotes.
  std::string last_error;
  std::optional<WallTime> last_published;
  std::optional<WallTime> next_attempt;  // while it pauses between two
  std::uint64_t attempts = 0;            // connections begun
  std::uint64_t publications = 0;        // announcements accepted
};

struct PublisherOptions {
  std::string petname;
  Furl furl;
  std::string own_tub_id;
  std::shared_ptr<const TlsIdentity> identity;
  std::chrono::seconds keepalive{};
  std::chrono::seconds disconnect{};
};

class Publisher {
 public:
  // Called once per connection, when the introducer is ready to take it.
  using MakeAnnouncement = std::function<boost::asio::awaitable<Result<SignedAnnouncement>>()>;

  // `clock` outlives the publisher.
  Publisher(PublisherOptions options, MakeAnnouncement make, Clock& clock);

  // Connects, publishes, keeps the connection, and again, until cancelled; cancelling ends it with
  // operation_aborted. Failures are logged and shown by state(), none ends it. Once.
  boost::asio::awaitable<void> run();

  IntroducerState state() const;

 private:
  boost::asio::awaitable<Error> attempt();
  boost::asio::awaitable<Error> try_hint(LocationHint hint);
  boost::asio::awaitable<Status> prepare(Link& link, std::string host, Monotonic deadline);
  boost::asio::awaitable<Status> upgrade(Link& link, std::string host, Monotonic deadline);
  boost::asio::awaitable<Error> converse(Link& link, Monotonic deadline);
  void note_published();
  void note_failure(const Error& error);
  void note_pause(std::optional<Duration> pause);
  Duration next_pause();

  const PublisherOptions options_;
  const MakeAnnouncement make_;
  Clock& clock_;
  std::vector<LocationHint> hints_;  // the TCP ones

  // Of run().
  std::optional<Monotonic> published_;  // in the current attempt
  Duration pause_;
  std::minstd_rand random_;

  mutable std::mutex mutex_;
  IntroducerState state_;
};

}  // namespace sharestore::grid
