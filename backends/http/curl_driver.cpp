#include "backends/http/curl_driver.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

#include <fcntl.h>
#include <fmt/format.h>

#include <csignal>
#include <stdexcept>
#include <utility>

#include "backends/core/log.h"

namespace sharestore::http_client {

namespace asio = boost::asio;

namespace {

void initialise_curl() {
  static const bool done = []() {
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
      throw std::runtime_error("libcurl cannot be initialised");
    }
    // Otherwise a name that resolves slowly would stop every other request.
    if ((curl_version_info(CURLVERSION_NOW)->features & CURL_VERSION_ASYNCHDNS) == 0) {
      throw std::runtime_error("this libcurl resolves names synchronously");
    }
    // OpenSSL writes to sockets that the peer closed without MSG_NOSIGNAL.
    struct sigaction now{};
    if (::sigaction(SIGPIPE, nullptr, &now) == 0 && now.sa_handler == SIG_DFL) {
      (void)::signal(SIGPIPE, SIG_IGN);
    }
    return true;
  }();
  (void)done;
}

const char* sentence_of(HttpFailure::Kind kind) {
  using Kind = HttpFailure::Kind;
  switch (kind) {
    case Kind::cannot_connect: return "no connection in time";
    case Kind::no_answer: return "no answer in time";
    case Kind::stalled: return "bytes stopped flowing";
    case Kind::deadline: return "the time for the request ran out";
    case Kind::cancelled: return "cancelled";
    default: return "curl refuses the request";
  }
}

}  // namespace

CurlDriver::CurlDriver(asio::any_io_executor executor, IoPool& pool, HttpClientOptions options)
    : options_(options), pool_(pool), strand_(asio::make_strand(executor)), timer_(strand_) {
  initialise_curl();
  multi_ = curl_multi_init();
  if (multi_ == nullptr) throw std::bad_alloc();
  const long connections = static_cast<long>(options_.max_connections);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &CurlDriver::on_socket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &CurlDriver::on_timer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_MAX_TOTAL_CONNECTIONS, connections);
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, connections);
}

CurlDriver::~CurlDriver() {
  if (multi_ == nullptr) return;
  // Nobody else holds the driver: its loop has ended, or was never run.
  for (const auto& [easy, transfer] : transfers_) curl_multi_remove_handle(multi_, easy);
  curl_multi_cleanup(multi_);
}

void CurlDriver::start(std::shared_ptr<Transfer> transfer) {
  asio::post(strand_, [self = shared_from_this(), transfer = std::move(transfer)]() {
    self->begin(transfer);
  });
}

void CurlDriver::cancel(std::weak_ptr<Transfer> transfer) {
  asio::post(strand_, [self = shared_from_this(), weak = std::move(transfer)]() {
    if (const auto held = weak.lock()) self->abort(held, HttpFailure::Kind::cancelled);
  });
}

void CurlDriver::shut_down() {
  asio::post(strand_, [self = shared_from_this()]() {
    while (!self->transfers_.empty()) {
      self->abort(std::shared_ptr(self->transfers_.begin()->second), HttpFailure::Kind::cancelled);
    }
    if (CURLM* multi = std::exchange(self->multi_, nullptr)) curl_multi_cleanup(multi);
    self->watches_.clear();
    self->timer_.cancel();
    self->closed_.set();
  });
}

// --- transfers --------------------------------------------------------------------------------

void CurlDriver::begin(std::shared_ptr<Transfer> transfer) {
  using Kind = HttpFailure::Kind;
  if (transfer->finished) return;
  if (multi_ == nullptr) return abort(transfer, Kind::cancelled);
  if (transfer->context.expired()) return abort(transfer, Kind::deadline);
  if (!transfer->prepare(options_, trust_)) return abort(transfer, Kind::other);
  transfers_[transfer->easy()] = transfer;
  curl_multi_add_handle(multi_, transfer->easy());
  load_more(transfer);
  asio::co_spawn(strand_, watch(transfer),
                 asio::bind_cancellation_slot(transfer->stop_watching.slot(), asio::detached));
}

void CurlDriver::end(const std::shared_ptr<Transfer>& transfer, HttpOutcome outcome) {
  if (std::exchange(transfer->finished, true)) return;
  if (transfer->easy() != nullptr && transfers_.erase(transfer->easy()) > 0) {
    curl_multi_remove_handle(multi_, transfer->easy());
  }
  transfer->stop_watching.emit(asio::cancellation_type::all);
  std::exchange(transfer->complete, nullptr)(std::move(outcome));
}

void CurlDriver::abort(const std::shared_ptr<Transfer>& transfer, HttpFailure::Kind kind) {
  if (transfer->finished) return;
  end(transfer, std::unexpected(transfer->failure(kind, sentence_of(kind))));
}

boost::asio::awaitable<void> CurlDriver::watch(std::shared_ptr<Transfer> transfer) {
  const auto self = shared_from_this();
  co_await asio::this_coro::throw_if_cancelled(false);
  Clock& clock = transfer->context.clock();
  while (!transfer->finished) {
    const Transfer::Deadline next = transfer->next_deadline(options_);
    if (clock.now() >= next.when) {
      abort(transfer, next.kind);
      co_return;
    }
    co_await clock.sleep_until(next.when);
  }
}

void CurlDriver::load_more(const std::shared_ptr<Transfer>& transfer) {
  if (auto what = transfer->feed.next_load()) {
    asio::co_spawn(strand_, load(transfer, std::move(*what)), asio::detached);
  }
}

boost::asio::awaitable<void> CurlDriver::load(std::shared_ptr<Transfer> transfer,
                                              BodyFeed::Load what) {
  const auto self = shared_from_this();
  auto read = [what]() -> Result<std::vector<std::byte>> {
    std::vector<std::byte> bytes(what.length);
    auto done = what.source->read(what.offset, bytes);
    if (!done) return fail(std::move(done.error()));
    return bytes;
  };
  auto bytes = co_await pool_.run(std::move(read));
  const bool resume = transfer->feed.loaded(what, std::move(bytes));
  if (transfer->finished) co_return;
  load_more(transfer);
  if (!resume) co_return;
  curl_easy_pause(transfer->easy(), CURLPAUSE_CONT);
  act(CURL_SOCKET_TIMEOUT, 0);
}

// --- curl -------------------------------------------------------------------------------------

void CurlDriver::act(curl_socket_t socket, int events) {
  if (multi_ == nullptr) return;
  int running = 0;
  curl_multi_socket_action(multi_, socket, events, &running);
  take_finished();
}

void CurlDriver::take_finished() {
  int left = 0;
  while (multi_ != nullptr) {
    const CURLMsg* message = curl_multi_info_read(multi_, &left);
    if (message == nullptr) break;
    if (message->msg != CURLMSG_DONE) continue;
    const auto found = transfers_.find(message->easy_handle);
    if (found == transfers_.end()) continue;
    const CURLcode result = message->data.result;  // the message dies with the handle
    const auto transfer = found->second;
    end(transfer, transfer->outcome(result, trust_));
  }
  for (const auto& [easy, transfer] : transfers_) load_more(transfer);
}

void CurlDriver::arm(curl_socket_t socket) {
  const auto found = watches_.find(socket);
  if (found == watches_.end()) return;
  const auto& watch = found->second;
  const auto wait = [this, &watch, socket](bool reading) {
    using Descriptor = asio::posix::stream_descriptor;
    watch->descriptor.async_wait(reading ? Descriptor::wait_read : Descriptor::wait_write,
                                 [self = weak_from_this(), weak = std::weak_ptr(watch), socket,
                                  reading](boost::system::error_code error) {
                                   const auto driver = self.lock();
                                   if (driver && !error) driver->ready(weak, socket, reading);
                                 });
  };
  if ((watch->wanted & CURL_POLL_IN) != 0 && !std::exchange(watch->reading, true)) wait(true);
  if ((watch->wanted & CURL_POLL_OUT) != 0 && !std::exchange(watch->writing, true)) wait(false);
}

void CurlDriver::ready(const std::weak_ptr<Watch>& weak, curl_socket_t socket, bool readable) {
  const auto watch = weak.lock();
  if (!watch) return;
  (readable ? watch->reading : watch->writing) = false;
  if ((watch->wanted & (readable ? CURL_POLL_IN : CURL_POLL_OUT)) != 0) {
    act(socket, readable ? CURL_CSELECT_IN : CURL_CSELECT_OUT);
  }
  const auto now = watches_.find(socket);
  if (now != watches_.end() && now->second == watch) arm(socket);
}

int CurlDriver::on_socket(CURL*, curl_socket_t socket, int what, void* self, void*) {
  auto& driver = *static_cast<CurlDriver*>(self);
  if (what == CURL_POLL_REMOVE) {
    driver.watches_.erase(socket);
    return 0;
  }
  auto& watch = driver.watches_[socket];
  if (!watch) {
    const int duplicate = ::fcntl(socket, F_DUPFD_CLOEXEC, 0);
    if (duplicate < 0) {
      driver.watches_.erase(socket);
      log::error(
          "no descriptor is left for a connection to the store; raise the limit on open "
          "files (LimitNOFILE)");
      return -1;
    }
    watch = std::make_shared<Watch>(driver.strand_, duplicate);
  }
  watch->wanted = what;
  if (auto held = driver.weak_from_this().lock()) {
    asio::post(driver.strand_, [held = std::move(held), socket]() { held->arm(socket); });
  }
  return 0;
}

int CurlDriver::on_timer(CURLM*, long milliseconds, void* self) {
  auto& driver = *static_cast<CurlDriver*>(self);
  driver.timer_.cancel();
  if (milliseconds < 0) return 0;
  driver.timer_.expires_after(std::chrono::milliseconds(milliseconds));
  driver.timer_.async_wait([weak = driver.weak_from_this()](boost::system::error_code error) {
    const auto held = weak.lock();
    if (held && !error) held->act(CURL_SOCKET_TIMEOUT, 0);
  });
  return 0;
}

}  // namespace sharestore::http_client
