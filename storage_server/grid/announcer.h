// Announces the node to every introducer of its configuration.
//
// Made and ended by main's thread; `states` is for any thread.
#pragma once

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backends/core/clock.h"
#include "backends/core/error.h"
#include "backends/core/io_pool.h"
#include "backends/core/secret.h"
#include "config/node_config.h"
#include "storage_server/grid/announcement.h"
#include "storage_server/grid/publisher.h"

namespace sharestore::grid {

struct AnnouncerOptions {
  AnnouncementFacts facts;
  Secret signing_seed;
  std::string certificate_pem;
  Secret key_pem;
  std::string tub_id;
  std::vector<IntroducerConfig> introducers;
  // None: kKeepalive and kDisconnect. A keepalive is sent at least twice before a disconnect.
  std::optional<std::chrono::seconds> keepalive;
  std::optional<std::chrono::seconds> disconnect;
  // The number of the next announcement, durable before it returns; greater each time. It may
  // block, and is called on threads of the pool, several at once. An error postpones publishing.
  std::function<Result<std::uint64_t>()> next_seqnum;
};

class Announcer {
 public:
  // `pool` and `clock` outlive it. Of introducers with one tub id only the first is announced to:
  // Foolscap keeps one connection per tub, so two would end each other.
  // invalid_argument: the certificate cannot be used, or a FURL is none.
  static Result<std::unique_ptr<Announcer>> make(AnnouncerOptions options, IoPool& pool,
                                                 Clock& clock);

  // One coroutine per introducer, to be run on one single-threaded executor until cancelled. They
  // end before the announcer does. Once.
  std::vector<boost::asio::awaitable<void>> runs();

  // In the order of the configuration.
  std::vector<IntroducerState> states() const;

 private:
  Announcer(AnnouncerOptions options, IoPool& pool) : options_(std::move(options)), pool_(pool) {}
  boost::asio::awaitable<Result<SignedAnnouncement>> next_announcement();

  const AnnouncerOptions options_;
  IoPool& pool_;
  std::vector<std::unique_ptr<Publisher>> publishers_;
};

}  // namespace sharestore::grid
