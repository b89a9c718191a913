// The web port of the program itself: where it listens, what it shows and what never.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <csignal>
#include <string>

#include "storage_server/node/location.h"
#include "tests/storage_server/cli/child_process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tls_client.h"

namespace sharestore {
namespace {

using test::ChildProcess;
using test::HttpAnswer;
using testing::HasSubstr;
using testing::Not;

class WebPortTest : public testing::Test {
 protected:
  // A node with these lines in [node]; its web port is a unix socket unless they say otherwise.
  void create(const std::string& web_port) {
    const test::Outcome outcome =
        test::run_program({"create-node", "--hostname=127.0.0.1", "--nickname=<i>node</i>",
                           "--webport=" + web_port, node()});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
  }
  std::string node() const { return directory_ / "node"; }
  std::string socket() const { return directory_ / "web.sock"; }

  HttpAnswer get(const std::string& target, const std::string& method = "GET") {
    test::TlsClientOptions options;
    options.unix_path = socket();
    options.tls = false;
    auto client = test::TlsClient::connect(options);
    EXPECT_TRUE(client) << client.error().message();
    if (!client) return {};
    auto answer = client->request(method, target);
    EXPECT_TRUE(answer) << answer.error().message();
    return answer ? *answer : HttpAnswer();
  }

  TempDir directory_;
};

TEST_F(WebPortTest, ServesPagesFiguresAndHealth) {
  create("unix:" + socket());
  ChildProcess child({"run", node()});
  ASSERT_TRUE(child.wait_for_log("running: sharestore")) << child.log();

  EXPECT_EQ(get("/healthz").body, "ok\n");
  EXPECT_EQ(get("/readyz").status, 200);
  EXPECT_EQ(get("/storage/v1/version").status, 404);
  EXPECT_EQ(get("/storage", "POST").status, 405);
  const HttpAnswer page = get("/storage");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.header("x-frame-options"), "DENY");
  EXPECT_THAT(page.body, HasSubstr("&lt;i&gt;node&lt;/i&gt;"));
  EXPECT_THAT(page.body, Not(HasSubstr("<i>node")));
  const HttpAnswer json = get("/statistics?t=json");
  EXPECT_EQ(json.header("content-type"), "text/plain; charset=utf-8");
  EXPECT_GE(boost::json::parse(json.body).at("stats").at("node.uptime").to_number<double>(), 0);
  const HttpAnswer metrics = get("/statistics?t=openmetrics");
  EXPECT_THAT(metrics.body, testing::EndsWith("\n# EOF\n"));
  EXPECT_THAT(metrics.body, HasSubstr("sharestore_backend_healthy 1\n"));

  // What lets clients in is nowhere.
  const std::string furl = read_file(node() + "/private/storage.furl");
  const std::string swissnum = furl.substr(furl.rfind('/') + 1, 20);
  for (const char* target : {"/storage", "/storage?t=json", "/storage?t=sharestore",
                             "/statistics?t=json", "/statistics?t=openmetrics", "/nothing"}) {
    const HttpAnswer answer = get(target);
    EXPECT_THAT(answer.head + answer.body, Not(HasSubstr(swissnum))) << target;
    EXPECT_THAT(answer.head + answer.body, Not(HasSubstr("pb://"))) << target;
  }
  child.signal(SIGTERM);
  EXPECT_EQ(child.wait(), 0) << child.log();
}

TEST_F(WebPortTest, WithoutAnInterfaceItIsForThisMachineOnly) {
  const std::string port = std::to_string(free_port().value());
  create("tcp:" + port);
  ChildProcess child({"run", node()});
  ASSERT_TRUE(child.wait_for_log("running: sharestore")) << child.log();
  EXPECT_THAT(child.log(), HasSubstr("status page: http://127.0.0.1:" + port + "/storage"));
  child.signal(SIGTERM);
  EXPECT_EQ(child.wait(), 0);
}

TEST_F(WebPortTest, ATakenPlaceStopsTheStartAndIsNamed) {
  create("unix:" + socket());
  write_file(socket(), "not a socket");
  ChildProcess child({"run", node()});
  EXPECT_EQ(child.wait(), 1);
  EXPECT_THAT(child.log(), HasSubstr("[node] web.port: cannot listen on the unix socket"));
  EXPECT_EQ(read_file(socket()), "not a socket");
}

}  // namespace
}  // namespace sharestore
