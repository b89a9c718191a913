// `sharestore status` against the program itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <csignal>
#include <filesystem>
#include <string>

#include "tests/storage_server/cli/child_process.h"
#include "tests/support/temp_dir.h"

namespace sharestore {
namespace {

namespace json = boost::json;
using test::ChildProcess;
using test::Outcome;
using test::run_program;
using testing::HasSubstr;
using testing::Not;

class StatusCommand : public testing::Test {
 protected:
  void SetUp() override {
    const Outcome outcome =
        run_program({"create-node", "--hostname=127.0.0.1", "--nickname=<b>n&'\"ö</b>", node()});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
  }
  std::string node() const { return directory_ / "node"; }

  TempDir directory_;
};

TEST_F(StatusCommand, WithoutANodeItIsOneSentence) {
  const Outcome outcome = run_program({"status", node()});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("no node runs here"));
  EXPECT_EQ(outcome.out, "");
}

TEST_F(StatusCommand, ShowsARunningNodeToPeopleAndPrograms) {
  ChildProcess child({"run", node()});
  ASSERT_TRUE(child.wait_for_log("running: sharestore")) << child.log();

  const Outcome text = run_program({"status", node()});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("process " + std::to_string(child.pid())));
  EXPECT_THAT(text.out, HasSubstr("disk: well"));
  EXPECT_THAT(text.out, HasSubstr("<b>n&'\"ö</b>"));
  EXPECT_THAT(text.out, HasSubstr("last upload     never"));
  EXPECT_THAT(text.out, HasSubstr("expiry          off"));

  const Outcome machine = run_program({"status", "--json", node()});
  EXPECT_EQ(machine.code, 0) << machine.err;
  const json::value status = json::parse(machine.out);
  EXPECT_EQ(status.at("process").to_number<int>(), child.pid());
  EXPECT_EQ(status.at("nickname").as_string(), "<b>n&'\"ö</b>");
  EXPECT_EQ(status.at("healthy").as_bool(), true);
  EXPECT_EQ(status.at("stored").at("immutable").at("shares").to_number<int>(), 0);
  EXPECT_TRUE(status.at("last").at("upload").is_null());
  EXPECT_GT(status.at("space").at("available_bytes").to_number<std::uint64_t>(), 0U);

  const std::string furl = read_file(node() + "/private/storage.furl");
  const std::string swissnum = furl.substr(furl.rfind('/') + 1, 16);
  EXPECT_THAT(text.out + machine.out, Not(HasSubstr(swissnum)));

  child.signal(SIGTERM);
  EXPECT_EQ(child.wait(), 0) << child.log();
  EXPECT_EQ(run_program({"status", node()}).code, 1);
}

TEST_F(StatusCommand, TellsWhatExpiryWillTake) {
  write_file(node() + "/tahoe.cfg", read_file(node() + "/tahoe.cfg") +
                                        "[storage]\nexpire.enabled = true\nexpire.mode = age\n");
  ChildProcess child({"run", node()});
  ASSERT_TRUE(child.wait_for_log("running: sharestore")) << child.log();
  const Outcome text = run_program({"status", node()});
  const auto expiry = text.out.find("expiry          0 (0 B) removed since the start; will go:\n");
  ASSERT_NE(expiry, std::string::npos) << text.out;
  EXPECT_NE(text.out.find("  in 30 days    0 (0 B) immutable, 0 (0 B) mutable", expiry),
            std::string::npos)
      << text.out;
  child.signal(SIGTERM);
  EXPECT_EQ(child.wait(), 0) << child.log();
}

TEST_F(StatusCommand, ANodeWithoutASocketServesAndSaysSo) {
  std::filesystem::create_directory(node() + "/control.sock");
  ChildProcess child({"run", node()});
  ASSERT_TRUE(child.wait_for_log("running: sharestore")) << child.log();
  EXPECT_THAT(child.log(), HasSubstr("commands cannot reach this node"));
  EXPECT_EQ(run_program({"status", node()}).code, 1);
  child.signal(SIGTERM);
  EXPECT_EQ(child.wait(), 0) << child.log();
}

}  // namespace
}  // namespace sharestore
