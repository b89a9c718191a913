#include "storage_server/grid/publisher.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "backends/core/log.h"
#include "config/text.h"
#include "storage_server/grid/conversation.h"
#include "storage_server/grid/limits.h"
#include "storage_server/grid/lookup.h"
#include "storage_server/grid/negotiation.h"

namespace sharestore::grid {

namespace asio = boost::asio;

namespace {

// Foolscap skips hints of kinds that it does not know, and so do we.
std::vector<LocationHint> tcp_hints(const Furl& furl) {
  std::vector<LocationHint> hints;
  for (const std::string& text : furl.hints) {
    auto parsed = parse_location_hints(text);
    if (!parsed) continue;
    for (LocationHint& hint : *parsed) {
      if (hint.kind == LocationHint::Kind::tcp && hints.size() < kMaxTriedHints) {
        hints.push_back(std::move(hint));
      }
    }
  }
  return hints;
}

// How much a peer may send: a period begins anew when it has passed.
class Allowance {
 public:
  Allowance(Clock& clock, Duration period) : clock_(clock), period_(period), since_(clock.now()) {}

  bool take(std::size_t bytes) {
    if (clock_.now() - since_ >= period_) {
      since_ = clock_.now();
      taken_ = 0;
    }
    taken_ += bytes;
    return taken_ <= kMaxReceivedBytes;
  }

 private:
  Clock& clock_;
  Duration period_;
  Monotonic since_;
  std::size_t taken_ = 0;
};

// The answer to the plaintext request, without its empty line.
Status check_upgrade(std::string_view answer) {
  const std::string_view line = answer.substr(0, answer.find("\r\n"));
  const auto words = split(line, ' ');
  if (words.size() < 2 || !words[0].starts_with("HTTP/1.")) {
    return fail(Errc::unavailable, "the peer does not speak Foolscap");
  }
  if (words[1] != "101" || !answer.contains("Upgrade: TLS/1.0")) {
    return fail(Errc::unavailable, fmt::format("the peer refuses: {}", in_quotes(line)));
  }
  return {};
}

}  // namespace

Publisher::Publisher(PublisherOptions options, MakeAnnouncement make, Clock& clock)
    : options_(std::move(options)),
      make_(std::move(make)),
      clock_(clock),
      hints_(tcp_hints(options_.furl)),
      pause_(kFirstPause),
      random_(std::random_device()()) {
  state_.petname = options_.petname;
}

IntroducerState Publisher::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

asio::awaitable<void> Publisher::run() {
  for (;;) {
    published_.reset();
    const Error ended = co_await attempt();
    note_failure(ended);
    if (published_ && clock_.now() - *published_ >= kSteady) pause_ = kFirstPause;
    const Duration pause = next_pause();
    const Monotonic until = clock_.now() + pause;
    note_pause(pause);
    co_await clock_.sleep_until(until);
    note_pause(std::nullopt);
  }
}

Duration Publisher::next_pause() {
  std::uniform_real_distribution<double> jitter(1 - kPauseJitter, 1 + kPauseJitter);
  const auto pause = std::chrono::duration_cast<Duration>(pause_ * jitter(random_));
  pause_ = std::min<Duration>(std::chrono::duration_cast<Duration>(pause_ * kPauseFactor),
                              kLongestPause);
  return pause;
}

void Publisher::note_published() {
  published_ = clock_.now();
  {
    const std::lock_guard lock(mutex_);
    state_.connected = true;
    state_.last_error.clear();
    state_.last_published = clock_.utc_now();
    ++state_.publications;
  }
  log::info("introducer {}: it has our announcement", in_quotes(options_.petname));
}

void Publisher::note_failure(const Error& error) {
  bool news = false;
  {
    const std::lock_guard lock(mutex_);
    news = state_.connected || state_.last_error != error.message();
    state_.connected = false;
    state_.last_error = error.message();
  }
  log::write_formatted(news ? log::Level::warning : log::Level::debug, "introducer {}: {}",
                       in_quotes(options_.petname), error.message());
}

void Publisher::note_pause(std::optional<Duration> pause) {
  const std::lock_guard lock(mutex_);
  state_.next_attempt.reset();
  if (pause) {
    state_.next_attempt = clock_.utc_now() + std::chrono::duration_cast<WallTime::duration>(*pause);
  }
}

// Every hint until one has taken the announcement; returns why it ended.
asio::awaitable<Error> Publisher::attempt() {
  Error ended(Errc::unsupported, "its FURL has no tcp: hint");
  for (const LocationHint& hint : hints_) {
    ended = co_await try_hint(hint);
    if (published_) break;
  }
  co_return ended;
}

asio::awaitable<Error> Publisher::try_hint(LocationHint hint) {
  {
    const std::lock_guard lock(mutex_);
    ++state_.attempts;
  }
  const auto addresses = co_await look_up(hint.host, clock_, clock_.now() + kLookupBudget);
  if (!addresses) co_return addresses.error();
  Error ended(Errc::not_found, "no address");
  for (const asio::ip::address& address : *addresses) {
    auto link = co_await Link::connect(address, hint.port, clock_, clock_.now() + kConnectBudget);
    if (!link) {
      ended = link.error().with_context(fmt::format("{} port {}", address.to_string(), hint.port));
      continue;
    }
    const Monotonic deadline = clock_.now() + kPublishBudget;
    const Status prepared = co_await prepare(**link, hint.host, deadline);
    ended = prepared ? co_await converse(**link, deadline) : prepared.error();
    ended = ended.with_context(hint.text);
    if (published_) break;
  }
  co_return ended;
}

asio::awaitable<Status> Publisher::prepare(Link& link, std::string host, Monotonic deadline) {
  if (auto upgraded = co_await upgrade(link, std::move(host), deadline); !upgraded) {
    co_return upgraded;
  }
  if (auto secure = co_await link.start_tls(options_.identity, deadline); !secure) {
    co_return secure;
  }
  if (link.peer_tub_id() != options_.furl.tub_id) {
    co_return fail(Errc::unauthorized,
                   "the peer is another tub than the FURL names: its certificate does not fit");
  }
  co_return Status{};
}

asio::awaitable<Status> Publisher::upgrade(Link& link, std::string host, Monotonic deadline) {
  const std::string request = fmt::format(
      "GET /id/{} HTTP/1.1\r\nHost: {}\r\nUpgrade: TLS/1.0\r\nConnection: Upgrade\r\n\r\n",
      options_.furl.tub_id, host);
  if (auto sent = co_await link.write(request, deadline); !sent) co_return sent;
  std::string answer;
  std::array<char, kMaxBlockBytes> piece{};
  constexpr std::string_view kEnd = "\r\n\r\n";
  while (!answer.contains(kEnd)) {
    if (answer.size() > kMaxBlockBytes || clock_.now() >= deadline) {
      co_return fail(Errc::too_large, "the peer's answer to the upgrade does not end");
    }
    const auto got = co_await link.read(piece, deadline);
    if (!got) co_return fail(got.error());
    if (*got == 0) co_return fail(Errc::unavailable, "the peer closed the connection");
    answer.append(piece.data(), *got);
  }
  // In TLS the client speaks first, so nothing can have come behind the answer.
  if (!answer.ends_with(kEnd) || answer.find(kEnd) + kEnd.size() != answer.size()) {
    co_return fail(Errc::invalid_argument, "the peer speaks before TLS has begun");
  }
  co_return check_upgrade(answer);
}

// Until the connection ends, whatever ends it.
asio::awaitable<Error> Publisher::converse(Link& link, Monotonic deadline) {
  using Stage = Conversation::Stage;
  Conversation conversation(
      {options_.own_tub_id, options_.furl.tub_id, make_incarnation(), options_.furl.name});
  std::vector<char> buffer(kReadBytes);
  Allowance allowance(clock_, options_.keepalive);
  Monotonic heard = clock_.now();
  bool pinged = false;
  for (;;) {
    if (conversation.stage() == Stage::ready) {
      const auto announcement = co_await make_();
      if (!announcement) co_return announcement.error();
      conversation.publish(*announcement);
    }
    const std::string output = conversation.take_output();
    if (auto sent = co_await link.write(output, clock_.now() + kWriteBudget); !sent) {
      co_return sent.error();
    }
    const bool published = conversation.stage() == Stage::published;
    if (published && !published_) note_published();
    if (!published && clock_.now() >= deadline) {
      co_return Error(Errc::timed_out, "the peer did not take the announcement in time");
    }
    const Duration patience = pinged ? options_.disconnect : options_.keepalive;
    const auto got = co_await link.read(buffer, published ? heard + patience : deadline);
    if (!got && got.error().code() == Errc::timed_out && published && !pinged) {
      conversation.ping();
      pinged = true;
      continue;
    }
    if (!got) co_return got.error();
    if (*got == 0) co_return Error(Errc::unavailable, "the peer closed the connection");
    heard = clock_.now();
    pinged = false;
    if (!allowance.take(*got)) co_return Error(Errc::too_large, "the peer sends without end");
    if (auto taken = conversation.receive({buffer.data(), *got}); !taken) co_return taken.error();
  }
}

}  // namespace sharestore::grid
