// Starting, draining, stopping, and clients that leave.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <boost/asio/post.hpp>
#include <filesystem>
#include <future>
#include <thread>

#include "tests/storage_server/http/server_fixture.h"
#include "tests/support/temp_dir.h"

namespace sharestore::http {
namespace {

using std::chrono::seconds;
using test::TlsClient;

class LifecycleTest : public HttpServerTest {
 protected:
  TlsClient waiting_client() {
    auto client = connect();
    EXPECT_TRUE(client.send(TlsClient::format_request("GET", "/wait", {}, "")));
    int before = handler_.waiting;
    EXPECT_TRUE(eventually([&] { return handler_.waiting > before || handler_.waiting > 0; }));
    return client;
  }
};

TEST_F(LifecycleTest, AClientThatLeavesCancelsItsHandler) {
  start();
  auto client = waiting_client();
  client.close();
  EXPECT_TRUE(eventually([&] { return handler_.cancelled == 1 && handler_.waiting == 0; }));
  auto rude = waiting_client();
  rude.reset();
  EXPECT_TRUE(eventually([&] { return handler_.cancelled == 2 && handler_.waiting == 0; }));
  EXPECT_TRUE(eventually([&] { return server_->metrics().connections_open == 0; }));
  EXPECT_EQ(server_->metrics().requests_running, 0u);
}

TEST_F(LifecycleTest, AClientThatLeavesEndsTheBodyRead) {
  start();
  for (bool orderly : {true, false}) {
    auto client = connect();
    handler_.last_body_error = -1;
    handler_.body_bytes = 0;
    ASSERT_TRUE(client.send("PUT /count HTTP/1.1\r\nContent-Length: 100\r\n\r\n12345"));
    ASSERT_TRUE(eventually([&] { return handler_.body_bytes == 5; }));
    orderly ? client.close() : client.reset();
    EXPECT_TRUE(
        eventually([&] { return handler_.last_body_error == static_cast<int>(Errc::cancelled); }));
  }
}

TEST_F(LifecycleTest, AClientThatLeavesWhileItIsSentTo) {
  start();
  for (const char* path : {"/stream/100000000", "/cold/100000000"}) {
    auto client = connect();
    ASSERT_TRUE(client.send(TlsClient::format_request("GET", path, {}, "")));
    ASSERT_TRUE(client.read_some());
    client.reset();
  }
  EXPECT_TRUE(eventually([&] { return server_->metrics().connections_open == 0; }));
  std::lock_guard lock(log_mutex_);
  ASSERT_EQ(log_.size(), 2u);
  EXPECT_TRUE(log_[0].ends_with("broken"));
}

TEST_F(LifecycleTest, AClientThatShutsItsSideIsStillAnswered) {
  start();
  auto client = connect();
  ASSERT_TRUE(client.send(TlsClient::format_request("GET", "/bytes/1000000", {}, "")));
  ASSERT_TRUE(client.send(TlsClient::format_request("GET", "/version", {}, "")));
  client.shutdown_write();
  EXPECT_EQ(client.read_answer()->body, body_text(1'000'000));
  EXPECT_EQ(client.read_answer()->body, "ok\n");
  EXPECT_TRUE(client.wait_closed());
}

TEST_F(LifecycleTest, StopEndsHandlersAndConnections) {
  start([](ServerOptions& options) { options.workers = 2; });
  auto waiting = waiting_client();
  auto idle = connect();
  ASSERT_TRUE(idle.request("GET", "/version"));
  auto uploading = connect();
  ASSERT_TRUE(uploading.send("PUT /count HTTP/1.1\r\nContent-Length: 100\r\n\r\n12345"));
  ASSERT_TRUE(eventually([&] { return handler_.body_bytes == 5; }));
  auto port = server_->port();
  server_->stop();
  EXPECT_EQ(handler_.cancelled, 2);
  EXPECT_EQ(server_->metrics().connections_open, 0u);
  EXPECT_FALSE(waiting.read_answer());
  test::TlsClientOptions options;
  options.port = port;
  EXPECT_FALSE(TlsClient::connect_silent(options));
  server_->stop();  // again does nothing
}

TEST_F(LifecycleTest, DrainFinishesWhatIsInFlight) {
  start([](ServerOptions& options) { options.workers = 2; });
  auto waiting = waiting_client();
  auto idle = connect();
  ASSERT_TRUE(idle.request("GET", "/version"));
  auto options = client_options();
  auto drained =
      std::async(std::launch::async, [&] { return server_->drain(clock_.now() + seconds(30)); });
  EXPECT_TRUE(idle.wait_closed()) << "idle connections are closed in an orderly way";
  EXPECT_TRUE(eventually([&] { return !TlsClient::connect_silent(options); }));
  EXPECT_EQ(drained.wait_for(seconds(0)), std::future_status::timeout);
  handler_.release = true;
  auto answer = waiting.read_answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "released\n");
  EXPECT_EQ(answer->header("connection"), "close");
  EXPECT_TRUE(drained.get());
}

TEST_F(LifecycleTest, DrainGivesUpAtItsDeadline) {
  start();
  auto waiting = waiting_client();
  auto drained =
      std::async(std::launch::async, [&] { return server_->drain(clock_.now() + seconds(30)); });
  EXPECT_EQ(drained.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  clock_.advance(seconds(31));
  EXPECT_FALSE(drained.get());
}

TEST_F(LifecycleTest, TimeoutsComeWithTheClocksOwnTicks) {
  start();
  auto client = connect();
  ASSERT_TRUE(client.request("GET", "/version"));
  ASSERT_TRUE(eventually([&] { return clock_.sleepers() == 1; }));
  clock_.advance(seconds(61));  // no check_timeouts()
  EXPECT_TRUE(client.wait_closed());
}

TEST_F(LifecycleTest, ATakenPortIsOneSentence) {
  for (std::size_t workers : {1, 2}) {
    start([&](ServerOptions& options) { options.workers = workers; });
    ServerOptions options;
    ListenEndpoint endpoint;
    endpoint.interface = "127.0.0.1";
    endpoint.port = server_->port();
    options.endpoints.push_back(endpoint);
    options.workers = workers;
    Server second(std::move(options), handler_, clock_, *memory_);
    auto started = second.start();
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().code(), Errc::already_exists);
    EXPECT_NE(started.error().message().find("port " + std::to_string(server_->port())),
              std::string::npos)
        << started.error().message();
  }
}

TEST_F(LifecycleTest, BadAddressesAreNamed) {
  for (const auto& [host, code] : std::vector<std::pair<std::string, Errc>>{
           {"not-an-address", Errc::invalid_argument}, {"192.0.2.1", Errc::unavailable}}) {
    ServerOptions options;
    ListenEndpoint endpoint;
    endpoint.interface = host;
    options.endpoints.push_back(endpoint);
    Server server(std::move(options), handler_, clock_, *memory_);
    auto started = server.start();
    ASSERT_FALSE(started) << host;
    EXPECT_EQ(started.error().code(), code) << started.error().message();
    EXPECT_NE(started.error().message().find(host), std::string::npos);
  }
}

TEST_F(LifecycleTest, ListensOnIpv6AndUnixSockets) {
  TempDir folder;
  std::string path = (folder.path() / "node.sock").string();
  start([&](ServerOptions& options) {
    options.workers = 2;
    ListenEndpoint v6;
    v6.kind = ListenEndpoint::Kind::tcp6;
    v6.interface = "::1";
    options.endpoints.push_back(v6);
    ListenEndpoint local;
    local.kind = ListenEndpoint::Kind::unix_socket;
    local.path = path;
    local.mode = 0600;
    options.endpoints.push_back(local);
  });
  auto options = client_options();
  options.host = "::1";
  options.port = server_->port(1);
  EXPECT_NE(options.port, 0);
  EXPECT_EQ(connect(options).request("GET", "/version")->body, "ok\n");
  options = client_options();
  options.unix_path = path;
  EXPECT_EQ(connect(options).request("GET", "/version")->body, "ok\n");
  struct stat status{};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777u, 0600u);
  server_->stop();
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(LifecycleTest, AStaleUnixSocketIsReplacedALiveOneIsNot) {
  TempDir folder;
  std::string path = (folder.path() / "node.sock").string();
  auto endpoint_only = [&](ServerOptions& options) {
    options.endpoints[0] = ListenEndpoint{};
    options.endpoints[0].kind = ListenEndpoint::Kind::unix_socket;
    options.endpoints[0].path = path;
  };
  start(endpoint_only);
  ServerOptions options;
  options.endpoints.emplace_back();
  endpoint_only(options);
  Server second(std::move(options), handler_, clock_, *memory_);
  auto refused = second.start();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::already_exists);
  EXPECT_TRUE(std::filesystem::exists(path)) << "the live one keeps its file";
  std::string kept = path + ".kept";
  std::filesystem::rename(path, kept);
  server_->stop();
  std::filesystem::rename(kept, path);
  start(endpoint_only);
  std::filesystem::remove(path);
}

TEST_F(LifecycleTest, WorkersRunWorkOfOthers) {
  start([](ServerOptions& options) { options.workers = 2; });
  auto executors = server_->executors();
  ASSERT_EQ(executors.size(), 2u);
  std::promise<std::thread::id> first;
  std::promise<std::thread::id> second;
  boost::asio::post(executors[0], [&] { first.set_value(std::this_thread::get_id()); });
  boost::asio::post(executors[1], [&] { second.set_value(std::this_thread::get_id()); });
  EXPECT_NE(first.get_future().get(), second.get_future().get());
}

}  // namespace
}  // namespace sharestore::http
