// A real Swift, which tests/support/swift_server.py names in the environment: its own v1
// authentication, and the Rackspace emulator in front of it, whose tokens are Swift's.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include <cstdlib>
#include <functional>
#include <future>

#include "backends/http/body_digest.h"
#include "backends/http/http_client.h"
#include "backends/openstack/swift_container.h"
#include "config/service_url.h"
#include "tests/backends/openstack/openstack_test_base.h"
#include "tests/support/rackspace_identity.h"

namespace sharestore::openstack {
namespace {

using test::RackspaceIdentity;

constexpr const char* kShare = "node-a/shares/aa/aaaaaaaaaaaaaaaaaaaaaaaaaa/1";

std::string variable(const std::string& name) {
  const char* value = std::getenv(("SHARESTORE_TEST_SWIFT_" + name).c_str());
  return value == nullptr ? "" : value;
}

// tempauth's tokens. It hands out a user's token until its end; that it knows one is forgotten
// where it remembers it, in its memcached, under the MD5 of the name.
class TempauthIssuer final : public test::TokenIssuer {
 public:
  TempauthIssuer(boost::asio::any_io_executor executor, IoPool& pool)
      : executor_(executor), client_(executor, pool) {}
  ~TempauthIssuer() override {
    boost::asio::co_spawn(executor_, client_.close(), boost::asio::use_future).get();
  }

  test::IssuedToken issue() override {
    forget("AUTH_/user/" + variable("USER"));
    http_client::HttpRequest request;
    request.method = "GET";
    request.url = variable("AUTH_URL");
    request.headers = {{"X-Auth-User", variable("USER")}, {"X-Auth-Key", variable("KEY")}};
    const OpContext context(clock_, clock_.now() + std::chrono::seconds(30));
    const auto answer =
        boost::asio::co_spawn(executor_, client_.send(context, request), boost::asio::use_future)
            .get();
    if (!answer) throw std::runtime_error(answer.error().message);
    return {std::string(answer->header("X-Auth-Token")),
            std::string(answer->header("X-Storage-Url"))};
  }
  void revoke(const std::string& token) override { forget("AUTH_/token/" + token); }

 private:
  static void forget(const std::string& name) {
    const std::string where = variable("MEMCACHED");
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port =
        htons(static_cast<std::uint16_t>(std::stoi(where.substr(where.rfind(':') + 1))));
    const std::string line = "delete " + http_client::md5_hex(name) + "\r\n";
    char reply[64];
    const bool done = ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                      ::send(fd, line.data(), line.size(), MSG_NOSIGNAL) > 0 &&
                      ::recv(fd, reply, sizeof reply, 0) > 0;
    ::close(fd);
    if (!done) throw std::runtime_error("no memcached at " + where);
  }

  const boost::asio::any_io_executor executor_;
  SystemClock clock_;
  http_client::HttpClient client_;
};

class RealSwift : public testing::Test {
 protected:
  void SetUp() override {
    if (variable("AUTH_URL").empty()) {
      GTEST_SKIP() << "SKIP: no real Swift: run it with tests/support/swift_server.py -- PROGRAM";
    }
    static int number = 0;
    name_ = fmt::format("real-{}-{}", ::getpid(), ++number);
  }
  ~RealSwift() override {
    if (container_) EXPECT_TRUE(run_task(container_->close()));
  }

  void use(const OpenStackConfig& config) {
    container_ = make_swift_container(config, pool_, loop_.executor());
    const Status made = run_task(container_->create(context()));
    ASSERT_TRUE(made) << words(made);
    open();
  }
  void open() {
    const Status opened = run_task(container_->open(context()));
    ASSERT_TRUE(opened) << words(opened);
  }
  static OpenStackConfig account_v1(const std::string& container) {
    OpenStackConfig config = v1_config(variable("AUTH_URL"), container);
    config.username = variable("USER");
    config.api_key = Secret(variable("KEY"));
    return config;
  }
  void use_v1() { use(account_v1(name_)); }
  void open_v1(const std::string& container) {
    container_ = make_swift_container(account_v1(container), pool_, loop_.executor());
    open();
  }
  OpenStackConfig rackspace(const std::string& url) {
    OpenStackConfig config = v1_config(url, name_);
    config.auth = OpenStackConfig::Auth::rackspace;
    config.username = RackspaceIdentity::kUser;
    config.api_key = Secret(RackspaceIdentity::kKey);
    return config;
  }

  OpContext context() { return {clock, clock.now() + std::chrono::minutes(2)}; }
  ObjectContainer& container() { return *container_; }
  std::future<Result<ObjectInfo>> begin_put(std::string key, std::string text) {
    return boost::asio::co_spawn(
        loop_.context(),
        container().put(context(), std::move(key), memory_source(Bytes::copy_of(text)), {}),
        boost::asio::use_future);
  }
  // 32 uploads at once, again and again; how many. `between` is called after each 32.
  int put_for(Duration span, const std::function<void()>& between) {
    // real time: the tokens are those of another process
    const Monotonic end = clock.now() + span;
    int puts = 0;
    while (clock.now() < end) {
      std::vector<std::future<Result<ObjectInfo>>> running;
      for (int i = 0; i < 32; ++i) {
        running.push_back(begin_put(fmt::format("node-a/shares/{}", i), std::string(20'000, 'x')));
      }
      for (auto& one : running) {
        const auto put = one.get();
        EXPECT_TRUE(put) << words(put);
        ++puts;
      }
      between();
    }
    return puts;
  }
  std::string get(const std::string& key, std::uint64_t offset = 0, std::uint64_t length = 0) {
    const auto got = run_task(container().get(context(), key, offset, length, Freshness::newest));
    return got ? std::string(got->bytes.text()) : words(got);
  }

  IoPool pool_{2};
  RequestLoop loop_;
  // The emulator's own requests, made from its threads.
  RequestLoop loop_issuer_;
  SystemClock clock;

 private:
  std::string name_;
  std::unique_ptr<ObjectContainer> container_;
};

TEST_F(RealSwift, HoldsObjectsAndSegments) {
  use_v1();
  ASSERT_TRUE(begin_put(kShare, "0123456789").get());
  EXPECT_EQ(get(kShare), "0123456789");
  EXPECT_EQ(get(kShare, 8, 100), "89");
  EXPECT_EQ(get(kShare, 10, 5), "");
  const auto upload = run_task(container().begin_multipart(context(), kShare));
  ASSERT_TRUE(upload) << words(upload);
  std::vector<MultipartPart> parts;
  for (std::uint32_t n = 1; n <= 3; ++n) {
    auto part = run_task(container().upload_part(
        context(), *upload, n, memory_source(Bytes::copy_of(std::string(1000, 'a' + n % 26)))));
    ASSERT_TRUE(part) << words(part);
    parts.push_back(*part);
  }
  const auto made = run_task(container().complete_multipart(context(), *upload, parts, {}));
  ASSERT_TRUE(made) << words(made);
  EXPECT_EQ(get(kShare, 998, 4), "bbcc");
  const auto info = run_task(container().head(context(), kShare, Freshness::newest));
  ASSERT_TRUE(info) << words(info);
  EXPECT_EQ(info->size_bytes, 3000u);
  EXPECT_EQ(info->etag, made->etag);
  ASSERT_TRUE(run_task(container().remove(context(), kShare)));
  // One of them by bulk deletion; listings of one replica do not lag.
  const auto left = run_task(container().list(context(), "node-a/", "", 100));
  ASSERT_TRUE(left);
  EXPECT_TRUE(left->objects.empty());
}

// W12: more names than one listing has.
TEST_F(RealSwift, ListsTenThousandAndOneObjects) {
  constexpr int kNames = 10'001;
  if (variable("NAMES") != std::to_string(kNames)) {
    GTEST_SKIP() << "SKIP: needs tests/support/swift_server.py --names " << kNames;
  }
  open_v1("names");
  int seen = 0;
  int pages = 0;
  std::string after;
  while (true) {
    const auto page = run_task(container().list(context(), "names/", after, 10'000));
    ASSERT_TRUE(page) << words(page);
    if (page->objects.empty()) break;
    ++pages;
    seen += static_cast<int>(page->objects.size());
    after = page->objects.back().key;
  }
  EXPECT_EQ(seen, kNames);
  EXPECT_GE(pages, 2);
}

TEST_F(RealSwift, RevokedTokenIsReplacedOnceAmongThirtyTwoUploads) {
  TempauthIssuer issuer(loop_issuer_.executor(), pool_);
  RackspaceIdentity identity(issuer, clock);
  use(rackspace(identity.v2_url()));
  ASSERT_EQ(identity.authentications(), 1u);
  for (int round = 0; round < 5; ++round) {
    identity.revoke_all();
    std::vector<std::future<Result<ObjectInfo>>> running;
    for (int i = 0; i < 32; ++i) {
      running.push_back(begin_put(fmt::format("node-a/shares/{}", i), std::string(20'000, 'x')));
    }
    for (auto& one : running) {
      const auto put = one.get();
      EXPECT_TRUE(put) << words(put);
    }
  }
  EXPECT_EQ(identity.authentications(), 6u);
  EXPECT_EQ(identity.tokens_issued(), 6u);
}

TEST_F(RealSwift, TokensOfTwoSecondsCarryThirtyTwoUploads) {
  TempauthIssuer issuer(loop_issuer_.executor(), pool_);
  RackspaceIdentity identity(issuer, clock);
  identity.set_token_life(std::chrono::seconds(2));
  use(rackspace(identity.v2_url()));
  const int puts = put_for(std::chrono::seconds(12), [&] { identity.end_expired(); });
  // No authentication for nothing, whatever the number of waiters.
  EXPECT_EQ(identity.authentications(), identity.tokens_issued());
  EXPECT_GE(identity.tokens_issued(), 3u);
  fmt::print("{} uploads, {} authentications, {} tokens\n", puts, identity.authentications(),
             identity.tokens_issued());
}

// Beside a Swift whose tokens end by themselves: of three seconds it keeps them one to two, because
// it cuts the life to whole seconds and memcached's clock has whole seconds too.
TEST_F(RealSwift, TokensThatSwiftItselfEndsCarryThirtyTwoUploads) {
  if (variable("TOKEN_LIFE_S") != "3") {
    GTEST_SKIP() << "SKIP: needs tests/support/swift_server.py --token-life 3";
  }
  use_v1();
  fmt::print("{} uploads\n", put_for(std::chrono::seconds(12), [] {}));
}

}  // namespace
}  // namespace sharestore::openstack
