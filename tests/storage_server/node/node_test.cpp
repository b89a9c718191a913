// A whole node in this process: start, serve, stop, and taking over directories of other programs.
#include "storage_server/node/node.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "storage_server/node/create.h"
#include "tests/storage_server/node/python_node_directory.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tls_client.h"

namespace sharestore {
namespace {

namespace fs = std::filesystem;
using test::HttpAnswer;
using testing::HasSubstr;

constexpr const char* kShareData = "the bytes of a share that another program has stored";

std::string base64(const std::string& text) {
  std::string out(4 * ((text.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

StorageIndex index_of(unsigned char byte) {
  std::array<unsigned char, StorageIndex::kBytes> bytes{};
  bytes.fill(byte);
  return StorageIndex(bytes);
}

std::uint32_t next_month() { return static_cast<std::uint32_t>(std::time(nullptr)) + 2'600'000; }

class Nodes : public testing::Test {
 protected:
  fs::path path() const { return directory_ / "node"; }

  void create(const std::string& backend) {
    CreateOptions options;
    options.directory = path();
    options.hostname = "127.0.0.1";
    options.backend = backend;
    const auto created = create_node(options, {});
    ASSERT_TRUE(created) << created.error().message();
  }
  void configure(const std::string& lines) {
    std::ofstream(path() / "tahoe.cfg", std::ios::app) << "\n" << lines << "\n";
  }

  Result<std::unique_ptr<Node>> try_start() {
    auto config = load_node_config(path(), {});
    if (!config) return fail(config.error());
    NodeOptions options;
    options.workers = 2;
    return Node::start(std::move(*config), options);
  }
  void start() {
    auto started = try_start();
    ASSERT_TRUE(started) << started.error().message();
    node_ = std::move(*started);
  }
  // A stop that does not go well fails the test.
  void stop() {
    EXPECT_TRUE(node_->stop());
    node_.reset();
  }

  std::string swissnum() const {
    const std::string furl = read_file(path() / "private/storage.furl");
    const std::size_t slash = furl.rfind('/');
    return furl.substr(slash + 1, furl.size() - slash - 2);
  }
  Result<HttpAnswer> get(const std::string& target) const {
    test::TlsClientOptions options;
    options.port = node_->port();
    auto client = test::TlsClient::connect(options);
    if (!client) return fail(client.error());
    return client->request("GET", target, {{"Authorization", "Tahoe-LAFS " + base64(swissnum())}});
  }
  int status_of(const std::string& target) const {
    const auto answer = get(target);
    return answer ? answer->status : -1;
  }
  std::string body_of(const std::string& target) const {
    const auto answer = get(target);
    return answer ? answer->body : answer.error().message();
  }
  static std::string share_path(StorageIndex storage_index, int number) {
    return "/storage/v1/immutable/" + storage_index.to_text() + "/" + std::to_string(number);
  }

  TempDir directory_;
  std::unique_ptr<Node> node_;
};

TEST_F(Nodes, StartServeStopAndAgain) {
  create("disk");
  for (int round = 0; round < 2; ++round) {
    start();
    EXPECT_THAT(body_of("/storage/v1/version"), HasSubstr("sharestore/"));
    EXPECT_TRUE(fs::exists(path() / "running.process"));
    ASSERT_EQ(node_->nurls().size(), 1U);
    EXPECT_THAT(node_->nurls()[0], HasSubstr("/" + swissnum() + "#v=1"));
    stop();
    EXPECT_FALSE(fs::exists(path() / "running.process"));
  }
}

TEST_F(Nodes, MemoryBackend) {
  create("memory");
  for (int round = 0; round < 2; ++round) {
    start();
    EXPECT_EQ(status_of("/storage/v1/version"), 200);
    stop();
  }
}

TEST_F(Nodes, ASecondOneIsRefusedAndTheFirstGoesOn) {
  create("disk");
  start();
  const auto second = try_start();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), Errc::already_exists);
  EXPECT_EQ(status_of("/storage/v1/version"), 200);
  EXPECT_TRUE(fs::exists(path() / "running.process"));
  stop();
}

TEST_F(Nodes, ATakenPortIsOneClearErrorAndLeavesNothingRunning) {
  create("disk");
  start();
  const std::string port = std::to_string(node_->port());
  const TempDir elsewhere;
  CreateOptions options;
  options.directory = elsewhere / "node";
  options.port = "tcp:" + port + ":interface=127.0.0.1";
  options.location = "tcp:127.0.0.1:" + port;
  ASSERT_TRUE(create_node(options, {}));
  const auto second = Node::start(*load_node_config(options.directory, {}));
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message(), HasSubstr(port));
  EXPECT_FALSE(fs::exists(options.directory / "running.process"));
  stop();
}

TEST_F(Nodes, APythonNodesDirectoryIsTakenOver) {
  const auto python = test::make_python_node_directory(path());
  const StorageIndex held = index_of(0x11);
  test::add_python_share(path(), held, 3, kShareData, next_month());
  start();
  EXPECT_EQ(node_->port(), python.port);
  EXPECT_THAT(node_->nurls().at(0), HasSubstr("@127.0.0.1:" + std::to_string(python.port) + "/" +
                                              python.swissnum + "#v=1"));
  EXPECT_EQ(body_of(share_path(held, 3)), kShareData);
  EXPECT_EQ(status_of(share_path(held, 4)), 404);
  stop();
  EXPECT_EQ(read_file(path() / "my_nodeid"), python.tub_id + "\n");
}

TEST_F(Nodes, SharesOfAProgramThatRanInBetweenAreFound) {
  test::make_python_node_directory(path());
  start();
  EXPECT_EQ(status_of(share_path(index_of(0x22), 0)), 404);
  stop();
  test::add_python_share(path(), index_of(0x22), 0, kShareData, next_month());
  // The Python node rewrites this file at every start.
  write_file(path() / "private/logport.furl", "pb://new\n");
  start();
  EXPECT_EQ(body_of(share_path(index_of(0x22), 0)), kShareData);
  stop();
}

// W24: nor does it keep the node from starting.
TEST_F(Nodes, ADamagedIndexIsMovedAsideAndSharesAreServed) {
  create("disk");
  start();
  stop();
  test::add_python_share(path(), index_of(0x33), 0, kShareData, next_month());
  write_file(path() / "storage/index.sqlite", std::string(8192, 'x'));
  start();
  EXPECT_EQ(body_of(share_path(index_of(0x33), 0)), kShareData);
  stop();
  bool aside = false;
  for (const auto& entry : fs::directory_iterator(path() / "storage")) {
    if (!entry.path().filename().string().starts_with("index.sqlite.damaged-")) continue;
    aside = read_file(entry.path()) == std::string(8192, 'x');
  }
  EXPECT_TRUE(aside);
}

TEST_F(Nodes, WithoutAnonymousStorageNobodyGetsIn) {
  create("disk");
  configure("[storage]\nanonymous = false");
  start();
  EXPECT_TRUE(node_->nurls().empty());
  EXPECT_EQ(status_of("/storage/v1/version"), 401);
  stop();
}

TEST_F(Nodes, AMissingKeyStopsTheStart) {
  create("disk");
  fs::remove(path() / "private/node.pem");
  const auto started = try_start();
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().message(), HasSubstr("private/node.pem is missing"));
  EXPECT_FALSE(fs::exists(path() / "private/node.pem"));
  EXPECT_FALSE(fs::exists(path() / "running.process"));
}

TEST_F(Nodes, ANodeWithoutPortOrKeysGetsBoth) {
  fs::create_directories(path());
  write_file(path() / "tahoe.cfg", "");
  start();
  EXPECT_EQ(read_file(path() / "client.port"), "tcp:" + std::to_string(node_->port()) + "\n");
  EXPECT_EQ(status_of("/storage/v1/version"), 200);
  const std::string before = read_file(path() / "private/node.pem");
  stop();
  start();
  stop();
  EXPECT_EQ(read_file(path() / "private/node.pem"), before);
}

}  // namespace
}  // namespace sharestore
