#include "tests/storage_server/http/server_fixture.h"

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <chrono>
#include <stdexcept>
#include <thread>

namespace sharestore::http {

namespace asio = boost::asio;

namespace {

std::uint64_t number_after(std::string_view path, std::string_view prefix) {
  std::uint64_t number = 0;
  std::string_view digits = path.substr(prefix.size());
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return number;
}

class GeneratedBody final : public BodySource {
 public:
  GeneratedBody(std::uint64_t size, bool cold, bool fails)
      : size_(size), cold_(cold), fails_(fails) {}
  std::uint64_t size() const override { return size_; }
  std::optional<std::size_t> read_now(std::uint64_t offset, MutableByteSpan into) override {
    if (cold_) return std::nullopt;
    for (std::size_t i = 0; i < into.size(); ++i) {
      into[i] = static_cast<std::byte>(body_byte(offset + i));
    }
    return into.size();
  }
  Task<Bytes> read(std::uint64_t offset, std::size_t max_bytes) override {
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    if (fails_ && offset >= size_ / 2) co_return fail(Errc::io_error, "as the test wants it");
    std::size_t size =
        static_cast<std::size_t>(std::min<std::uint64_t>({max_bytes, size_ - offset, 100'000}));
    std::vector<std::byte> bytes(size);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(body_byte(offset + i));
    co_return Bytes(std::move(bytes));
  }

 private:
  std::uint64_t size_;
  bool cold_;
  bool fails_;
};

Response text_answer(std::string text, int status = 200) {
  Response response;
  response.status = status;
  response.content_type = "text/plain";
  response.body = Bytes::copy_of(text);
  return response;
}

Response stream_answer(std::uint64_t size, bool cold, bool fails) {
  Response response;
  response.content_type = "application/octet-stream";
  response.stream = std::make_shared<GeneratedBody>(size, cold, fails);
  return response;
}

}  // namespace

std::string body_text(std::uint64_t size) {
  std::string text(size, '\0');
  for (std::uint64_t i = 0; i < size; ++i) text[i] = body_byte(i);
  return text;
}

std::optional<Response> TestHandler::try_handle(const Request& request, OpContext) {
  std::string_view path = request.path;
  if (path == "/version") return text_answer("ok\n");
  if (path == "/refuse") return text_answer("no\n", 401);
  if (path.starts_with("/bytes/")) {
    return text_answer(body_text(number_after(path, "/bytes/")));
  }
  if (path.starts_with("/stream/")) {
    return stream_answer(number_after(path, "/stream/"), false, false);
  }
  if (path.starts_with("/cold/")) return stream_answer(number_after(path, "/cold/"), true, false);
  if (path.starts_with("/cold-fail/")) {
    return stream_answer(number_after(path, "/cold-fail/"), true, true);
  }
  if (path.starts_with("/status/")) {
    return Response::empty(static_cast<int>(number_after(path, "/status/")));
  }
  if (path.starts_with("/big-head/")) {
    Response response = text_answer("big head");
    response.extra_headers =
        "X-Big: " + std::string(number_after(path, "/big-head/"), 'x') + "\r\n";
    return response;
  }
  return std::nullopt;
}

asio::awaitable<Response> TestHandler::handle(const Request& request, RequestBody& body,
                                              OpContext) {
  std::string_view path = request.path;
  if (path == "/throw") throw std::runtime_error("as the test wants it");
  if (path == "/ignore") co_return text_answer("ignored\n");
  if (path == "/lines") {
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    std::string text = std::to_string(request.headers.size());
    for (const HeaderLine& line : request.headers) {
      if (line.name == "X-Line") text += fmt::format("[{}]", line.value);
    }
    text += fmt::format(" {} {} {}", request.method_text, request.path, request.query);
    co_return text_answer(text);
  }
  if (path == "/wait") {
    ++waiting;
    asio::steady_timer timer(co_await asio::this_coro::executor);
    while (!release) {
      timer.expires_after(std::chrono::milliseconds(1));
      co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
      auto state = co_await asio::this_coro::cancellation_state;
      if (state.cancelled() != asio::cancellation_type::none) {
        ++cancelled;
        break;
      }
    }
    --waiting;
    co_return text_answer("released\n");
  }
  std::string text;
  std::vector<Bytes> held;
  std::uint64_t total = 0;
  for (;;) {
    auto piece = co_await body.read(path == "/echo" ? 1000 : 1 << 20);
    if (!piece) {
      last_body_error = static_cast<int>(piece.error().code());
      if (piece.error().code() == Errc::cancelled) ++cancelled;
      co_return text_answer(piece.error().message(),
                            piece.error().code() == Errc::timed_out ? 408 : 400);
    }
    if (piece->empty()) break;
    total += piece->size();
    body_bytes += piece->size();
    if (path == "/echo") text += piece->text();
    if (hold_bodies) held.push_back(std::move(*piece));
    if (path == "/one-piece") break;
  }
  if (path == "/echo") co_return text_answer(std::move(text));
  if (path == "/count" || path == "/one-piece") co_return text_answer(std::to_string(total));
  co_return text_answer("nothing here\n", 404);
}

bool eventually(const std::function<bool()>& done) {
  for (int i = 0; i < 20000; ++i) {
    if (done()) return true;
    // real time: another process's side of a socket is waited for, no clock of ours.
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

const test::TestCertificate& HttpServerTest::certificate() {
  static const test::TestCertificate made = test::make_test_certificate();
  return made;
}

void HttpServerTest::start(const std::function<void(ServerOptions&)>& change) {
  ServerOptions options;
  ListenEndpoint endpoint;
  endpoint.interface = "127.0.0.1";
  options.endpoints.push_back(endpoint);
  if (tls_) {
    options.tls = TlsIdentity{certificate().certificate_pem, Secret(certificate().key_pem)};
  }
  options.request_log = [this](const RequestRecord& record) {
    std::lock_guard lock(log_mutex_);
    log_.push_back(fmt::format("{} {} {} {} {}", record.method, record.path, record.status,
                               record.body_bytes, record.complete ? "complete" : "broken"));
  };
  if (change) change(options);
  server_ = std::make_unique<Server>(std::move(options), handler_, clock_, *memory_);
  auto started = server_->start();
  ASSERT_TRUE(started) << started.error().message();
}

void HttpServerTest::TearDown() {
  handler_.release = true;
  server_.reset();
}

test::TlsClientOptions HttpServerTest::client_options() const {
  test::TlsClientOptions options;
  options.port = server_->port();
  options.tls = tls_;
  return options;
}

test::TlsClient HttpServerTest::connect() { return connect(client_options()); }

test::TlsClient HttpServerTest::connect(const test::TlsClientOptions& options) {
  auto client = test::TlsClient::connect(options);
  if (!client) throw std::runtime_error("connect: " + client.error().message());
  return std::move(*client);
}

void HttpServerTest::pass(Duration time) {
  clock_.advance(time);
  server_->check_timeouts();
}

std::uint64_t HttpServerTest::answers(int status) const {
  auto counts = server_->metrics().answers;
  auto found = counts.find(status);
  return found == counts.end() ? 0 : found->second;
}

}  // namespace sharestore::http
