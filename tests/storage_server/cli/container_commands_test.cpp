// Buckets by command, and a node on one, through the program itself over the strict fake store.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <string>

#include "tests/storage_server/cli/child_process.h"
#include "tests/support/fake_s3.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tls_client.h"

namespace sharestore {
namespace {

using test::ChildProcess;
using test::FakeS3;
using test::FakeS3Options;
using test::Outcome;
using test::run_program;
using testing::HasSubstr;
using testing::Not;

class ContainerCommands : public testing::Test {
 protected:
  ContainerCommands() {
    const Outcome created =
        run_program({"create-node", "--backend=memory", "--hostname=127.0.0.1", node()});
    EXPECT_EQ(created.code, 0) << created.err;
    std::string config = read_file(directory_ / "node/tahoe.cfg");
    const std::string was = "backend = memory";
    EXPECT_NE(config.find(was), std::string::npos) << config;
    config.replace(config.find(was), was.size(),
                   fmt::format("backend = cloud.s3\ns3.access_key_id = {}\ns3.bucket = {}\n"
                               "s3.url = {}\ns3.prefix = node-a/\nmemory_limit = 64MiB",
                               fake.access_key_id, fake.bucket, store.server().origin()));
    write_file(directory_ / "node/tahoe.cfg", config);
    write_file(directory_ / "node/private/s3secret", fake.secret);
  }

  std::string node() const { return directory_ / "node"; }
  Outcome admin(const std::string& command, const std::string& option = "") {
    std::vector<std::string> words = {"admin", command, node()};
    if (!option.empty()) words.push_back(option);
    return run_program(words);
  }

  SystemClock clock;
  FakeS3Options fake;
  FakeS3 store{clock, fake};

 private:
  TempDir directory_;
};

// W33
TEST_F(ContainerCommands, CreateListAndProbe) {
  store.set([](FakeS3Options& now) { now.bucket_is_there = false; });
  const Outcome missing = admin("probe");
  EXPECT_EQ(missing.code, 1);
  EXPECT_THAT(missing.err, HasSubstr("admin create-container"));
  EXPECT_EQ(admin("create-container").code, 0);
  const Outcome twice = admin("create-container");
  EXPECT_EQ(twice.code, 1);
  EXPECT_THAT(twice.err, HasSubstr("is there already"));

  const Outcome probed = admin("probe");
  EXPECT_EQ(probed.code, 0) << probed.err;
  EXPECT_THAT(probed.out, HasSubstr("s3.region = us-east-1"));
  EXPECT_THAT(admin("probe", "--json").out, HasSubstr("\"usable\":true"));

  EXPECT_EQ(admin("ls-container").out, "");
  store.put_object("node-a/shares/aa/x/0", "12345");
  store.put_object("node-a/strange\nname", "1");
  store.put_object("node-b/another", "1");
  const Outcome listed = admin("ls-container");
  EXPECT_EQ(listed.code, 0) << listed.err;
  EXPECT_THAT(listed.out, HasSubstr(" 5  20"));
  EXPECT_THAT(listed.out, HasSubstr("node-a/shares/aa/x/0\n"));
  EXPECT_THAT(listed.out, HasSubstr("node-a/strange?name\n"));
  EXPECT_THAT(listed.out, Not(HasSubstr("node-b")));
  EXPECT_THAT(admin("ls-container", "--json").out,
              HasSubstr("{\"key\":\"node-a/shares/aa/x/0\",\"size_bytes\":5,"));
}

TEST_F(ContainerCommands, TellAWrongSecret) {
  store.set([](FakeS3Options& now) { now.secret = "changed"; });
  for (const char* command : {"probe", "ls-container"}) {
    const Outcome refused = admin(command);
    EXPECT_EQ(refused.code, 1) << command;
    EXPECT_THAT(refused.err, HasSubstr("private/s3secret")) << command;
  }
}

TEST_F(ContainerCommands, RefuseABackendWithoutAContainer) {
  const TempDir directory;
  const std::string disk = directory / "disk";
  ASSERT_EQ(run_program({"create-node", "--hostname=127.0.0.1", disk}).code, 0);
  for (const char* command : {"create-container", "ls-container", "probe"}) {
    const Outcome refused = run_program({"admin", command, disk});
    EXPECT_EQ(refused.code, 1) << command;
    EXPECT_THAT(refused.err, HasSubstr("backend = disk keeps its shares in no container"))
        << command;
  }
}

// A store that is down when the node starts, and one that goes away, do not end it.
TEST_F(ContainerCommands, ANodeOutlivesItsStore) {
  bool down = true;
  store.instead = [&down](const test::FakeRequest&) {
    return down ? std::optional(FakeS3::error(503, "ServiceUnavailable")) : std::nullopt;
  };
  ChildProcess running({"run", node()});
  ASSERT_TRUE(running.wait_for_log("running: ")) << running.log();
  const Outcome unwell = run_program({"status", node()});
  EXPECT_EQ(unwell.code, 0) << unwell.err;
  EXPECT_THAT(unwell.out, HasSubstr("NOT WELL"));
  EXPECT_THAT(unwell.out, HasSubstr("ServiceUnavailable"));
  EXPECT_THAT(unwell.out, HasSubstr(" 0 B available"));
  store.set([&down](FakeS3Options&) { down = false; });
  // real time: the node looks for its store again every few seconds.
  ASSERT_TRUE(running.wait_for_log("works again")) << running.log();
  EXPECT_THAT(running.log(), Not(HasSubstr(fake.secret)));
  running.signal(SIGTERM);
  EXPECT_EQ(running.wait(), 0) << running.log();
}

}  // namespace
}  // namespace sharestore
