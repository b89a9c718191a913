// The commands through the program itself: exit codes, output, signals, what the log may hold.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/storage_server/cli/child_process.h"
#include "tests/support/share_files.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tls_client.h"

namespace sharestore {
namespace {

namespace fs = std::filesystem;
using test::ChildProcess;
using test::Outcome;
using test::run_program;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::string base64(const std::string& text) {
  std::string out(4 * ((text.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

class Commands : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(SHARESTORE_PROGRAM)) GTEST_FAIL() << "build the target sharestore first";
  }
  std::string node() const { return directory_ / "node"; }
  void create() {
    const Outcome outcome = run_program({"create-node", "--hostname=127.0.0.1", node()});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
  }
  std::string nurl() const {
    const Outcome outcome = run_program({"nurl", node()});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.out;
  }
  static std::string swissnum_of(const std::string& nurl) {
    const std::size_t slash = nurl.rfind('/');
    return nurl.substr(slash + 1, nurl.find('#') - slash - 1);
  }
  static std::uint16_t port_of(const std::string& nurl) {
    return static_cast<std::uint16_t>(std::stoi(nurl.substr(nurl.rfind(':') + 1)));
  }

  TempDir directory_;
};

TEST_F(Commands, HelpIsEverywhere) {
  for (const char* command :
       {"create-node", "run", "check-config", "nurl", "servers-yaml", "status"}) {
    const Outcome outcome = run_program({command, "--help"});
    EXPECT_EQ(outcome.code, 0) << command;
    EXPECT_THAT(outcome.out, HasSubstr("NODEDIR")) << command;
    EXPECT_THAT(outcome.out, HasSubstr("Exit status")) << command;
    EXPECT_THAT(run_program({"--help"}).out, HasSubstr(command));
  }
  EXPECT_EQ(run_program({"--version"}).code, 0);
}

TEST_F(Commands, WrongUsageIsTwo) {
  const std::vector<std::vector<std::string>> wrong = {
      {},
      {"no-such-command"},
      {"run"},
      {"nurl", "--no-such-option", "x"},
      {"run", "--log-level=loud", "x"},
      {"create-node", "--hostname=h"},
      {"create-node", "x"},
      {"create-node", "--port=tcp:1", "x"},
      {"create-node", "--hostname=h", "--port=tcp:1", "--location=h:1", "x"},
      {"create-node", "--hostname=h", "--backend=tape", "x"},
      {"create-node", "--hostname=h", "-C", "y", "x"},
  };
  for (const auto& arguments : wrong) {
    const Outcome outcome = run_program(arguments);
    EXPECT_EQ(outcome.code, 2) << testing::PrintToString(arguments);
    EXPECT_THAT(outcome.err, HasSubstr("--help")) << testing::PrintToString(arguments);
    EXPECT_THAT(outcome.out, IsEmpty());
  }
}

TEST_F(Commands, FailuresAreOneWithOneSentence) {
  for (const char* command : {"run", "check-config", "nurl", "servers-yaml", "status"}) {
    const Outcome outcome = run_program({command, directory_ / "nothing-here"});
    EXPECT_EQ(outcome.code, 1) << command;
    EXPECT_THAT(outcome.err, HasSubstr("there is no such directory")) << command;
    EXPECT_EQ(std::ranges::count(outcome.err, '\n'), 1) << outcome.err;
  }
  write_file(node() + "/x", "");
  EXPECT_EQ(run_program({"create-node", "--hostname=h", node()}).code, 1);
}

TEST_F(Commands, CheckConfigSaysWhatIsWrong) {
  create();
  EXPECT_EQ(run_program({"check-config", node()}).code, 0);
  write_file(node() + "/tahoe.cfg", read_file(node() + "/tahoe.cfg") + "redonly = true\n");
  Outcome outcome = run_program({"check-config", node()});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("did you mean 'readonly'?"));
  write_file(node() + "/tahoe.cfg", "[storage]\nsizelimit = 1 G\n");
  EXPECT_EQ(run_program({"check-config", node()}).code, 0);
  fs::remove(node() + "/private/node.privkey");
  outcome = run_program({"check-config", node()});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("node.privkey is missing"));
}

TEST_F(Commands, NoAddressWithoutAnonymousStorage) {
  create();
  write_file(node() + "/tahoe.cfg",
             read_file(node() + "/tahoe.cfg") + "[storage]\nanonymous = false\n");
  for (const char* command : {"nurl", "servers-yaml"}) {
    const Outcome outcome = run_program({command, node()});
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(outcome.err, HasSubstr("anonymous = false"));
    EXPECT_THAT(outcome.out, IsEmpty());
  }
}

TEST_F(Commands, RunServesUntilSigtermAndEndsWithZero) {
  create();
  ChildProcess child({"run", node()});
  ASSERT_TRUE(child.wait_for_log("running: sharestore")) << child.log();
  EXPECT_TRUE(read_file(node() + "/running.process").starts_with(std::to_string(child.pid())));

  test::TlsClientOptions options;
  options.port = port_of(nurl());
  auto client = test::TlsClient::connect(options);
  ASSERT_TRUE(client) << client.error().message();
  const auto answer = client->request("GET", "/storage/v1/version");
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->status, 401);

  const Outcome second = run_program({"run", node()});
  EXPECT_EQ(second.code, 1);
  EXPECT_THAT(second.err, HasSubstr("already running"));

  child.signal(SIGTERM);
  EXPECT_EQ(child.wait(), 0) << child.log();
  EXPECT_THAT(child.log(), HasSubstr("stopping on SIGTERM"));
  EXPECT_FALSE(fs::exists(node() + "/running.process"));
}

TEST_F(Commands, ARequestInFlightIsFinishedBeforeTheEnd) {
  create();
  ChildProcess child({"run", node()});
  ASSERT_TRUE(child.wait_for_log("running: sharestore")) << child.log();
  test::TlsClientOptions options;
  options.port = port_of(nurl());
  auto client = test::TlsClient::connect(options);
  ASSERT_TRUE(client);
  const std::string secret = base64(std::string(32, 's'));
  ASSERT_TRUE(
      client->send("POST /storage/v1/immutable/aaaaaaaaaaaaaaaaaaaaaaaaaa HTTP/1.1\r\nHost: x\r\n"
                   "Authorization: Tahoe-LAFS " +
                   base64(swissnum_of(nurl())) + "\r\nX-Tahoe-Authorization: lease-renew-secret " +
                   secret + "\r\nX-Tahoe-Authorization: lease-cancel-secret " + secret +
                   "\r\nX-Tahoe-Authorization: upload-secret " + secret +
                   "\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
  // Now the handler has begun and waits for the body.
  const auto interim = client->read_head();
  ASSERT_TRUE(interim) << interim.error().message();
  ASSERT_EQ(interim->status, 100);
  child.signal(SIGTERM);
  ASSERT_TRUE(child.wait_for_log("stopping on SIGTERM"));
  ASSERT_TRUE(client->send("xx"));
  const auto answer = client->read_answer();
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->status, 400);
  EXPECT_EQ(child.wait(), 0) << child.log();
  EXPECT_THAT(child.log(), Not(HasSubstr("cut off")));
}

TEST_F(Commands, SigintEndsItToo) {
  create();
  ChildProcess child({"run", node()});
  ASSERT_TRUE(child.wait_for_log("running: sharestore"));
  child.signal(SIGINT);
  EXPECT_EQ(child.wait(), 0);
}

TEST_F(Commands, TheSameSignalTwiceAtOnceIsOneRequest) {
  // coreutils' timeout sends it to the process and to its group.
  create();
  ChildProcess child({"run", node()});
  ASSERT_TRUE(child.wait_for_log("running: sharestore"));
  child.signal(SIGTERM);
  ASSERT_TRUE(child.wait_for_log("stopping on SIGTERM"));
  child.signal(SIGTERM);
  EXPECT_EQ(child.wait(), 0);
  EXPECT_FALSE(fs::exists(node() + "/running.process"));
}

TEST_F(Commands, ANodeThatWasKilledStartsAgain) {
  create();
  {
    ChildProcess child({"run", node()});
    ASSERT_TRUE(child.wait_for_log("running: sharestore"));
    child.signal(SIGKILL);
    EXPECT_EQ(child.wait(), 128 + SIGKILL);
  }
  EXPECT_TRUE(fs::exists(node() + "/running.process"));
  ChildProcess child({"run", node()});
  ASSERT_TRUE(child.wait_for_log("running: sharestore")) << child.log();
  EXPECT_THAT(child.log(), HasSubstr("did not stop cleanly"));
  child.signal(SIGTERM);
  EXPECT_EQ(child.wait(), 0);
}

TEST_F(Commands, SignalsChangeTheLogLevel) {
  create();
  ChildProcess child({"run", node()});
  ASSERT_TRUE(child.wait_for_log("running: sharestore"));
  child.signal(SIGUSR1);
  EXPECT_TRUE(child.wait_for_log("log level: debug"));
  child.signal(SIGUSR2);
  EXPECT_TRUE(child.wait_for_log("log level: info"));
  child.signal(SIGUSR2);
  EXPECT_TRUE(child.wait_for_log("log level: warning"));
  child.signal(SIGTERM);
  EXPECT_EQ(child.wait(), 0);
  EXPECT_THAT(child.log(), Not(HasSubstr("stopping")));
}

TEST_F(Commands, TheLogHoldsNoSecretAtAnyLevel) {
  create();
  ChildProcess child({"run", "--log-level=trace", node()});
  ASSERT_TRUE(child.wait_for_log("running: sharestore"));
  const std::string swissnum = swissnum_of(nurl());
  test::TlsClientOptions options;
  options.port = port_of(nurl());
  auto client = test::TlsClient::connect(options);
  ASSERT_TRUE(client);
  const std::string secret = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U=";
  const test::HeaderList headers = {{"Authorization", "Tahoe-LAFS " + secret},
                                    {"X-Tahoe-Authorization", "lease-renew-secret " + secret},
                                    {"X-Tahoe-Authorization", "lease-cancel-secret " + secret},
                                    {"X-Tahoe-Authorization", "upload-secret " + secret}};
  const std::string target = "/storage/v1/immutable/aaaaaaaaaaaaaaaaaaaaaaaaaa";
  for (const std::string& path : {target, target + "/0?" + secret, "/" + swissnum}) {
    ASSERT_TRUE(client->request("POST", path, headers, "body-of-the-request"));
  }
  ASSERT_TRUE(child.wait_for_log("request "));
  child.signal(SIGTERM);
  EXPECT_EQ(child.wait(), 0);
  const std::string private_key = read_file(node() + "/private/node.privkey");
  for (const std::string& forbidden :
       {swissnum, secret, secret.substr(0, 12), std::string("body-of-the-request"),
        std::string("Tahoe-LAFS "), private_key.substr(8, 20)}) {
    EXPECT_THAT(child.log(), Not(HasSubstr(forbidden)));
    EXPECT_THAT(child.out(), Not(HasSubstr(forbidden)));
  }
}

// W41: what the status shows are the shares and reports that there are.
TEST_F(Commands, StatusCountsBytesAndReports) {
  create();
  const ShareId share{test_index(1), 3};
  const std::string storage = node() + "/storage";
  const auto far = static_cast<std::int64_t>(std::time(nullptr)) + 2'600'000;
  write_share_file(storage, share, pattern_text(1000), far);
  write_share_file(storage, {test_index(2), 0}, pattern_text(500), far);
  ChildProcess child({"run", node()});
  ASSERT_TRUE(child.wait_for_log("running: sharestore")) << child.log();
  ASSERT_TRUE(child.wait_for_log("index rebuilt")) << child.log();
  test::TlsClientOptions options;
  options.port = port_of(nurl());
  auto client = test::TlsClient::connect(options);
  ASSERT_TRUE(client);
  const auto told = client->request(
      "POST", "/storage/v1/immutable/" + share.storage_index.to_text() + "/3/corrupt",
      {{"Authorization", "Tahoe-LAFS " + base64(swissnum_of(nurl()))},
       {"Content-Type", "application/cbor"}},
      "\xa1\x66reason\x63"
      "bad");
  ASSERT_TRUE(told) << told.error().message();
  EXPECT_EQ(told->status, 200) << told->body;

  const Outcome status = run_program({"status", "--json", node()});
  EXPECT_EQ(status.code, 0) << status.err;
  const boost::json::value stored = boost::json::parse(status.out).at("stored");
  EXPECT_EQ(stored.at("immutable").at("shares").to_number<int>(), 2);
  EXPECT_EQ(stored.at("immutable").at("bytes").to_number<std::uintmax_t>(),
            fs::file_size(share_file_path(storage, share)) +
                fs::file_size(share_file_path(storage, {test_index(2), 0})));
  EXPECT_EQ(stored.at("leases").to_number<int>(), 2);
  EXPECT_EQ(stored.at("corruption_advisories").to_number<int>(), 1);
  child.signal(SIGTERM);
  EXPECT_EQ(child.wait(), 0) << child.log();
}

}  // namespace
}  // namespace sharestore
