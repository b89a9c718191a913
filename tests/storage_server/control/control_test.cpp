// The control socket with real sockets: what commands get, and what a broken client can do.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <cstring>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "storage_server/control/client.h"
#include "storage_server/control/limits.h"
#include "storage_server/control/server.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temp_dir.h"

namespace sharestore::control {
namespace {

namespace fs = std::filesystem;
namespace asio = boost::asio;
namespace json = boost::json;
using testing::HasSubstr;

// A client that need not keep to anything.
class RawClient {
 public:
  explicit RawClient(const fs::path& directory) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = SocketPath::of(directory)->path();
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    fd_ = http::Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    connected_ =
        ::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  bool connected() const { return connected_; }
  void send(std::string_view bytes) const {
    ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  // Until the line's end, or the end of the stream.
  std::string read_line() const {
    std::string line;
    char byte = 0;
    while (::recv(fd_.get(), &byte, 1, 0) == 1) {
      line += byte;
      if (byte == '\n') break;
    }
    return line;
  }
  void close() { fd_.reset(); }

 private:
  http::Descriptor fd_;
  bool connected_ = false;
};

class ControlSocket : public testing::Test {
 protected:
  void SetUp() override {
    commands_.add("echo", {[](std::shared_ptr<Call> call) -> Task<json::object> {
                    co_return call->arguments();
                  }});
    commands_.add("fail", {[](std::shared_ptr<Call>) -> Task<json::object> {
                    co_return fail(Errc::conflict, "it is as it is");
                  }});
    commands_.add("throw", {[](std::shared_ptr<Call>) -> Task<json::object> {
                    throw std::runtime_error("not for the client");
                    co_return json::object();
                  }});
    commands_.add("count", {[](std::shared_ptr<Call> call) -> Task<json::object> {
                    for (int i = 0; i < 3; ++i) co_await call->progress({{"step", i}});
                    co_return json::object{{"steps", 3}};
                  }});
    commands_.add("flood", {[this](std::shared_ptr<Call> call) -> Task<json::object> {
                    const std::string text(kMaxRequestBytes, 'x');
                    while (!call->gone()) co_await call->progress({{"text", text}});
                    ++ended_;
                    co_return json::object();
                  }});
    commands_.add("long", {[](std::shared_ptr<Call>) -> Task<json::object> {
                    co_return json::object{{"text", std::string(kMaxLineBytes, 'x')}};
                  }});
    commands_.add("wait", {[this](std::shared_ptr<Call> call) -> Task<json::object> {
                    ++waiting_;
                    while (!call->gone()) {
                      co_await clock_.sleep_until(clock_.now() + std::chrono::hours(1));
                    }
                    --waiting_;
                    ++ended_;
                    co_return fail(Errc::cancelled, "told to end");
                  }});
    start();
  }
  void TearDown() override { stop(); }

  void start() {
    server_ = std::make_unique<Server>(commands_, clock_);
    const auto opened = server_->open(directory());
    ASSERT_TRUE(opened) << opened.error().message();
    context_.restart();
    asio::co_spawn(context_, server_->run(),
                   asio::bind_cancellation_slot(cancel_.slot(), [](std::exception_ptr failure) {
                     if (failure) std::rethrow_exception(failure);
                   }));
    thread_ = std::thread([this] { context_.run(); });
  }
  void stop() {
    if (!server_) return;
    asio::post(context_, [this] { cancel_.emit(asio::cancellation_type::terminal); });
    thread_.join();
    server_.reset();
  }

  virtual fs::path directory() const { return directory_.path(); }
  Result<json::object> ask(std::string_view command, const json::object& arguments = {}) {
    return ask_node(directory(), command, arguments,
                    [this](const json::object& line) { progress_.push_back(line); });
  }
  // What the loop's thread has written is visible after this.
  void on_loop(std::function<void()> job) {
    std::promise<void> done;
    asio::post(context_, [&] {
      job();
      done.set_value();
    });
    done.get_future().wait();
  }
  int on_loop(const int& value) {
    int copy = 0;
    on_loop([&] { copy = value; });
    return copy;
  }
  // Bounded by the test's own time-out: what must come does come.
  void until(const int& value, int wanted) {
    while (on_loop(value) != wanted) std::this_thread::yield();
  }

  TempDir directory_;
  FakeClock clock_;
  Commands commands_;
  asio::io_context context_{1};
  asio::cancellation_signal cancel_;
  std::unique_ptr<Server> server_;
  std::thread thread_;
  std::vector<json::object> progress_;
  int waiting_ = 0;  // on the loop, like the next
  int ended_ = 0;
};

TEST_F(ControlSocket, AnswersWithTheCommandsResult) {
  const auto answer = ask("echo", {{"word", "böse \"\n"}, {"number", 7}});
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->at("word").as_string(), "böse \"\n");
  EXPECT_EQ(answer->at("number").as_int64(), 7);
}

TEST_F(ControlSocket, AnErrorKeepsCodeAndSentence) {
  const auto answer = ask("fail");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), Errc::conflict);
  EXPECT_EQ(answer.error().message(), "it is as it is");
}

TEST_F(ControlSocket, AnExceptionIsAnErrorWithoutItsText) {
  const auto answer = ask("throw");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), Errc::io_error);
  EXPECT_THAT(answer.error().message(), testing::Not(HasSubstr("not for the client")));
  EXPECT_TRUE(ask("echo"));
}

TEST_F(ControlSocket, AnUnknownCommandIsNamed) {
  const auto answer = ask("no-such\ncommand");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), Errc::not_found);
  EXPECT_THAT(answer.error().message(), HasSubstr("no-such"));
}

TEST_F(ControlSocket, ProgressComesBeforeTheResult) {
  const auto answer = ask("count");
  ASSERT_TRUE(answer);
  ASSERT_EQ(progress_.size(), 3U);
  EXPECT_EQ(progress_[2].at("step").as_int64(), 2);
}

TEST_F(ControlSocket, TooLongAnAnswerIsAnError) {
  const auto answer = ask("long");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), Errc::too_large);
}

TEST_F(ControlSocket, OnlyTheOwnerMayConnect) {
  struct stat status{};
  ASSERT_EQ(::stat((directory() / kSocketName).c_str(), &status), 0);
  EXPECT_TRUE(S_ISSOCK(status.st_mode));
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
}

TEST_F(ControlSocket, GoneWithTheServer) {
  stop();
  EXPECT_FALSE(fs::exists(directory() / kSocketName));
  auto answer = ask("echo");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), Errc::not_found);
  EXPECT_THAT(answer.error().message(), HasSubstr("no node runs here"));
  answer = ask_node(directory() / "nothing", "echo");
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().message(), HasSubstr("no such directory"));
}

TEST_F(ControlSocket, AStaleSocketIsReplaced) {
  stop();
  // What a killed node leaves: a bound socket that nobody has open.
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = (directory() / kSocketName).string();
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  {
    const http::Descriptor left(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(left.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  const auto nobody = ask("echo");
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().code(), Errc::not_found);
  start();
  EXPECT_TRUE(ask("echo"));
}

TEST_F(ControlSocket, AFileInItsPlaceIsLeftAlone) {
  stop();
  write_file(directory() / kSocketName, "something of the operator's");
  Server server(commands_, clock_);
  const auto opened = server.open(directory());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), Errc::already_exists);
  EXPECT_EQ(read_file(directory() / kSocketName), "something of the operator's");
}

TEST_F(ControlSocket, BadRequestsAreAnsweredAndHarmNobody) {
  const std::string deep = "{\"command\":\"echo\",\"arguments\":" + std::string(10000, '[') + "\n";
  for (const std::string& request :
       {std::string("\n"), std::string("nonsense\n"), std::string("[]\n"), std::string("{}\n"),
        std::string("{\"command\":7}\n"), std::string("{\"command\":\"echo\",\"arguments\":[]}\n"),
        std::string("{\"command\":\"echo\"}\nmore"), std::string("\0\xff\n", 3), deep}) {
    const RawClient client(directory());
    client.send(request);
    EXPECT_THAT(client.read_line(), HasSubstr("invalid_argument")) << request.substr(0, 60);
  }
  EXPECT_TRUE(ask("echo"));
}

TEST_F(ControlSocket, AnOversizedRequestIsCutOff) {
  const RawClient client(directory());
  client.send(std::string(kMaxRequestBytes, 'x'));
  EXPECT_THAT(client.read_line(), HasSubstr("at most 65536 bytes"));
  EXPECT_EQ(client.read_line(), "");
}

TEST_F(ControlSocket, AHalfRequestEndsWhenItsTimeIsUp) {
  const RawClient client(directory());
  client.send("{\"command\":");
  while (clock_.sleepers() == 0) std::this_thread::yield();
  clock_.advance(kRequestTime);
  EXPECT_THAT(client.read_line(), HasSubstr("invalid_argument"));
  EXPECT_EQ(client.read_line(), "");
}

TEST_F(ControlSocket, WhoOnlyLooksIsNotAnswered) {
  RawClient client(directory());
  client.close();
  EXPECT_TRUE(ask("echo"));
}

TEST_F(ControlSocket, ALongCommandIsVouchedFor) {
  const RawClient client(directory());
  client.send("{\"command\":\"wait\"}\n");
  until(waiting_, 1);
  while (clock_.sleepers() < 2) std::this_thread::yield();
  clock_.advance(kSignOfLifeEvery);
  EXPECT_EQ(client.read_line(), "{\"working\":true}\n");
}

TEST_F(ControlSocket, AClientThatLeavesEndsItsCommand) {
  RawClient client(directory());
  client.send("{\"command\":\"wait\"}\n");
  until(waiting_, 1);
  client.close();
  until(ended_, 1);
  EXPECT_TRUE(ask("echo"));
}

TEST_F(ControlSocket, AClientThatSendsMoreEndsItsCommand) {
  const RawClient client(directory());
  client.send("{\"command\":\"wait\"}\n");
  until(waiting_, 1);
  client.send("x");
  until(ended_, 1);
}

TEST_F(ControlSocket, AClientThatDoesNotReadIsLeftAlone) {
  const RawClient client(directory());
  client.send("{\"command\":\"flood\"}\n");
  // The write's own time, the watcher's and nothing else sleep on this clock.
  while (clock_.sleepers() < 2) std::this_thread::yield();
  while (on_loop(ended_) == 0) {
    clock_.advance(kWriteTime);
    std::this_thread::yield();
  }
  EXPECT_TRUE(ask("echo"));
}

TEST_F(ControlSocket, ManyClientsAreServedAndTooManyToldSo) {
  std::vector<RawClient> clients;
  for (std::size_t i = 0; i < kMaxClients; ++i) {
    clients.emplace_back(directory());
    clients.back().send("{\"command\":\"wait\"}\n");
  }
  until(waiting_, static_cast<int>(kMaxClients));
  const auto refused = ask("echo");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::busy);
  clients.pop_back();
  until(ended_, 1);
  EXPECT_TRUE(ask("echo"));
}

TEST_F(ControlSocket, AStopTellsCommandsAndTheirClients) {
  const RawClient client(directory());
  client.send("{\"command\":\"wait\"}\n");
  until(waiting_, 1);
  stop();
  EXPECT_EQ(ended_, 1);
  EXPECT_THAT(client.read_line(), HasSubstr("told to end"));
}

TEST_F(ControlSocket, ANodeThatStopsWithoutAnAnswerIsNamed) {
  const http::Descriptor listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const TempDir elsewhere;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = (elsewhere.path() / kSocketName).string();
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener.get(), 4), 0);
  for (const std::string& said : {std::string(), std::string("{\"working\":true}\n{\"resu"),
                                  std::string("[]\n"), std::string("junk\n")}) {
    std::thread node([&] {
      const http::Descriptor peer(::accept(listener.get(), nullptr, nullptr));
      std::string request(4096, '\0');
      ::recv(peer.get(), request.data(), request.size(), 0);
      ::send(peer.get(), said.data(), said.size(), MSG_NOSIGNAL);
    });
    const auto answer = ask_node(elsewhere.path(), "echo");
    node.join();
    ASSERT_FALSE(answer) << said;
    EXPECT_TRUE(answer.error().code() == Errc::unavailable ||
                answer.error().code() == Errc::unsupported)
        << answer.error().message();
  }
}

class DeepControlSocket : public ControlSocket {
 protected:
  fs::path directory() const override {
    fs::path deep = directory_.path();
    for (int i = 0; i < 4; ++i) deep /= std::string(60, 'd');
    fs::create_directories(deep);
    return deep;
  }
};

TEST_F(DeepControlSocket, ALongPathIsNoObstacle) {
  EXPECT_TRUE(ask("echo"));
  EXPECT_TRUE(fs::exists(directory() / kSocketName));
  stop();
  EXPECT_FALSE(fs::exists(directory() / kSocketName));
}

}  // namespace
}  // namespace sharestore::control
