#include "storage_server/grid/announcer.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "backends/core/log.h"
#include "config/text.h"
#include "storage_server/grid/limits.h"

namespace sharestore::grid {

namespace asio = boost::asio;

Result<std::unique_ptr<Announcer>> Announcer::make(AnnouncerOptions options, IoPool& pool,
                                                   Clock& clock) {
  std::unique_ptr<Announcer> made(new Announcer(std::move(options), pool));
  const AnnouncerOptions& from = made->options_;
  const auto identity = TlsIdentity::make(from.certificate_pem, from.key_pem);
  if (!identity) return fail(identity.error());
  const std::chrono::seconds disconnect = from.disconnect.value_or(kDisconnect);
  const std::chrono::seconds keepalive = std::max(
      std::chrono::seconds(1), std::min(from.keepalive.value_or(kKeepalive), disconnect / 2));
  std::set<std::string> tubs{from.tub_id};
  for (const IntroducerConfig& introducer : from.introducers) {
    auto furl = parse_furl(introducer.furl);
    if (!furl) {
      return fail(furl.error().with_context("introducer " + in_quotes(introducer.petname)));
    }
    if (!tubs.insert(furl->tub_id).second) {
      log::warning("introducer {}: its tub id is that of another one or of this node; ignored",
                   in_quotes(introducer.petname));
      continue;
    }
    made->publishers_.push_back(std::make_unique<Publisher>(
        PublisherOptions{introducer.petname, std::move(*furl), from.tub_id, *identity, keepalive,
                         disconnect},
        [announcer = made.get()] { return announcer->next_announcement(); }, clock));
  }
  return made;
}

std::vector<asio::awaitable<void>> Announcer::runs() {
  std::vector<asio::awaitable<void>> runs;
  runs.reserve(publishers_.size());
  for (const auto& publisher : publishers_) runs.push_back(publisher->run());
  return runs;
}

std::vector<IntroducerState> Announcer::states() const {
  std::vector<IntroducerState> states;
  states.reserve(publishers_.size());
  for (const auto& publisher : publishers_) states.push_back(publisher->state());
  return states;
}

asio::awaitable<Result<SignedAnnouncement>> Announcer::next_announcement() {
  const auto seqnum = co_await pool_.run([this] { return options_.next_seqnum(); });
  if (!seqnum) co_return fail(seqnum.error());
  co_return sign_announcement(options_.facts, *seqnum, options_.signing_seed);
}

}  // namespace sharestore::grid
