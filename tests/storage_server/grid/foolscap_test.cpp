// Announcing to an introducer that Foolscap itself serves: tests/support/foolscap_introducer.py.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sodium.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/json.hpp>
#include <csignal>
#include <optional>

#include "backends/core/base32.h"
#include "tests/storage_server/grid/announcer_fixture.h"
#include "tests/support/temp_dir.h"

namespace sharestore::grid {
namespace {

namespace json = boost::json;

// Where Debian's python3-foolscap is; another python3 may come first in PATH.
constexpr const char* kPython = "/usr/bin/python3";
constexpr int kNoFoolscap = 77;

class RealIntroducer {
 public:
  RealIntroducer(const std::filesystem::path& directory, int port) {
    std::array<int, 2> in{};
    std::array<int, 2> out{};
    if (::pipe2(in.data(), O_CLOEXEC) != 0 || ::pipe2(out.data(), O_CLOEXEC) != 0) std::abort();
    const std::string script =
        std::string(SHARESTORE_SOURCE_DIR) + "/tests/support/foolscap_introducer.py";
    const std::string number = std::to_string(port);
    process_ = ::fork();
    if (process_ == 0) {
      ::dup2(in[0], STDIN_FILENO);
      ::dup2(out[1], STDOUT_FILENO);
      ::execl(kPython, kPython, script.c_str(), directory.c_str(), number.c_str(), nullptr);
      ::_exit(kNoFoolscap);
    }
    ::close(in[0]);
    ::close(out[1]);
    to_ = in[1];
    from_ = out[0];
  }
  ~RealIntroducer() { end(); }
  RealIntroducer(const RealIntroducer&) = delete;
  RealIntroducer& operator=(const RealIntroducer&) = delete;

  // Its exit code.
  int end() {
    if (process_ < 0) return 0;
    ::close(to_);
    ::close(from_);
    int status = 0;
    ::waitpid(process_, &status, 0);
    process_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  // The next line that it prints within a minute.
  std::optional<json::object> next() {
    std::size_t end = 0;
    while ((end = text_.find('\n')) == std::string::npos) {
      pollfd wait{.fd = from_, .events = POLLIN, .revents = 0};
      std::array<char, 4096> piece{};
      if (::poll(&wait, 1, 60'000) <= 0) return std::nullopt;
      const ssize_t got = ::read(from_, piece.data(), piece.size());
      if (got <= 0) return std::nullopt;
      text_.append(piece.data(), static_cast<std::size_t>(got));
    }
    json::object line = json::parse(text_.substr(0, end)).as_object();
    text_.erase(0, end + 1);
    return line;
  }

 private:
  pid_t process_ = -1;
  int to_ = -1;
  int from_ = -1;
  std::string text_;
};

std::string text_at(const json::object& object, std::string_view key) {
  return std::string(object.at(key).as_string());
}

bool is_signed(const json::object& published) {
  const std::string message = text_at(published, "message");
  const auto signature = base32_decode(text_at(published, "signature").substr(3));
  const auto key = base32_decode(text_at(published, "key").substr(3));
  if (!signature || !key || signature->size() != crypto_sign_BYTES) return false;
  const auto bytes = [](const std::string& text) {
    return reinterpret_cast<const unsigned char*>(text.data());
  };
  return crypto_sign_verify_detached(bytes(*signature), bytes(message), message.size(),
                                     bytes(*key)) == 0;
}

class FoolscapTest : public AnnouncerTest {
 protected:
  // False: the test is to be skipped.
  bool begin() {
    introducer_ = std::make_unique<RealIntroducer>(directory_.path(), 0);
    const auto first = introducer_->next();
    if (!first) {
      EXPECT_EQ(introducer_->end(), kNoFoolscap) << "the script failed";
      return false;
    }
    furl_ = text_at(*first, "furl");
    const auto parsed = parse_furl(furl_);
    port_ = std::stoi(parsed->hints.at(0).substr(parsed->hints.at(0).rfind(':') + 1));
    return true;
  }

  void check_published(std::uint64_t number) {
    std::optional<json::object> published;
    ASSERT_TRUE(retry_until([&] { return state().connected; })) << state().last_error;
    published = introducer_->next();
    ASSERT_TRUE(published);
    EXPECT_TRUE(is_signed(*published));
    EXPECT_EQ(text_at(*published, "peer"), tub_id_of(certificate()));
    const json::object message = json::parse(text_at(*published, "message")).as_object();
    EXPECT_EQ(message.at("seqnum"), number);
    EXPECT_EQ(message.at("nickname"), "node");
    EXPECT_EQ(message.at("anonymous-storage-NURLs"),
              json::array{"pb://spki@127.0.0.1:1/swissnum#v=1"});
    EXPECT_EQ(text_at(message, "anonymous-storage-FURL"),
              "pb://" + tub_id_of(certificate()) + "@tcp:127.0.0.1:1/swissnum");
  }

  TempDir directory_;
  std::unique_ptr<RealIntroducer> introducer_;
  std::string furl_;
  int port_ = 0;
};

TEST_F(FoolscapTest, PublishesAndAfterRestartsOfEitherSide) {
  if (!begin()) GTEST_SKIP() << "no python3-foolscap here";
  start({{"real", furl_}});
  check_published(1);
  // The introducer restarts: same certificate, same name, same port.
  EXPECT_EQ(introducer_->end(), 0);
  ASSERT_TRUE(reached([](const auto& s) { return !s.connected; }));
  introducer_ = std::make_unique<RealIntroducer>(directory_.path(), port_);
  ASSERT_TRUE(introducer_->next());
  check_published(2);
  // The node restarts.
  stop();
  start({{"real", furl_}});
  check_published(3);
  stop();
}

TEST_F(FoolscapTest, ShowsThatANameIsWrongButNotTheName) {
  if (!begin()) GTEST_SKIP() << "no python3-foolscap here";
  start({{"real", furl_.substr(0, furl_.rfind('/') + 1) + "wrongwrongwrong"}});
  ASSERT_TRUE(reached([](const auto& s) { return s.last_error.contains("refuses"); }))
      << state().last_error;
  EXPECT_FALSE(state().last_error.contains("wrongwrong")) << state().last_error;
  EXPECT_EQ(seqnum, 0U);
}

TEST_F(FoolscapTest, BothMasterRoles) {
  if (!begin()) GTEST_SKIP() << "no python3-foolscap here";
  const std::string peer = parse_furl(furl_)->tub_id;
  for (const bool deciding : {false, true}) {
    // The certificates decide: new ones until they decide as wanted.
    for (int i = 0; i < 1000 && (tub_id_of(certificate_) > peer) != deciding; ++i) {
      certificate_ = test::make_test_certificate();
    }
    ASSERT_EQ(tub_id_of(certificate_) > peer, deciding);
    start({{"real", furl_}});
    check_published(deciding ? 2 : 1);
    stop();
  }
}

}  // namespace
}  // namespace sharestore::grid
