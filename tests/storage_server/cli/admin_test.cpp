// The commands that change or examine what a node keeps, through the program itself: on a stopped
// directory and on a running node.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/storage_server/cli/child_process.h"
#include "tests/support/share_files.h"
#include "tests/support/temp_dir.h"

namespace sharestore {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using test::ChildProcess;
using test::Outcome;
using test::run_program;
using testing::HasSubstr;

constexpr std::int64_t kDay = 86400;

class AdminCommands : public testing::Test {
 protected:
  void SetUp() override {
    const Outcome outcome = run_program({"create-node", "--hostname=127.0.0.1", node()});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
  }
  std::string node() const { return directory_ / "node"; }
  fs::path storage() const { return directory_ / "node/storage"; }
  void configure(const std::string& lines) const {
    std::ofstream(fs::path(node()) / "tahoe.cfg", std::ios::app) << "\n[storage]\n" << lines;
  }
  static ShareId share(std::uint64_t n) { return {test_index(n), 0}; }
  fs::path file_of(ShareId share) const { return share_file_path(storage(), share); }
  void add(std::uint64_t n, std::int64_t days_left) const {
    write_share_file(storage(), share(n), "the data", std::time(nullptr) + days_left * kDay);
  }
  std::uint64_t files(std::uint64_t from, std::uint64_t to) const {
    std::uint64_t found = 0;
    for (std::uint64_t n = from; n < to; ++n) found += fs::exists(file_of(share(n))) ? 1 : 0;
    return found;
  }
  // Another process removes them, as fast as its disk syncs: waits as long as they become fewer.
  bool wait_for_files(std::uint64_t from, std::uint64_t to, std::uint64_t at_most) const {
    std::uint64_t left = files(from, to);
    for (int idle = 0; left > at_most && idle < 1200; ++idle) {
      // real time: what is waited for happens in the node's process
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      const std::uint64_t before = std::exchange(left, files(from, to));
      if (left < before) idle = 0;
    }
    return left <= at_most;
  }
  static json::value parse(const Outcome& outcome) { return json::parse(outcome.out); }

  TempDir directory_;
};

TEST_F(AdminCommands, ExpiredSharesGoAlsoAfterAKillAndNothingElse) {
  configure("expire.enabled = true\nexpire.mode = age\nexpire.rate = 100\n");
  constexpr std::uint64_t kExpired = 200;
  constexpr std::uint64_t kAll = 260;
  for (std::uint64_t n = 0; n < kAll; ++n) add(n, n < kExpired ? -2 : 10);
  EXPECT_EQ(run_program({"admin", "rebuild-index", node()}).code, 0);
  {
    // Shares that were found get their grace first.
    ChildProcess running({"run", node()});
    ASSERT_TRUE(running.wait_for_log("running:")) << running.log();
    ASSERT_TRUE(running.wait_for_log("no share is removed: shares that were taken over keep"));
    EXPECT_EQ(run_program({"admin", "accept-clock", node()}).code, 0);
    running.signal(SIGTERM);
    EXPECT_EQ(running.wait(), 0);
  }
  EXPECT_EQ(files(0, kAll), kAll);
  const Outcome accepted = run_program({"admin", "accept-expiry", node()});
  ASSERT_EQ(accepted.code, 0) << accepted.err;
  for (const std::uint64_t left : {kExpired - 20, kExpired / 2}) {
    ChildProcess running({"run", node()});
    ASSERT_TRUE(running.wait_for_log("shares (")) << "it says ahead what will go";
    ASSERT_TRUE(wait_for_files(0, kExpired, left)) << files(0, kExpired) << running.log();
    running.signal(SIGKILL);
    running.wait();
    EXPECT_EQ(files(kExpired, kAll), kAll - kExpired);
  }
  ChildProcess running({"run", node()});
  ASSERT_TRUE(wait_for_files(0, kExpired, 0)) << running.log();
  const Outcome verified = run_program({"verify", node(), "--json"});
  EXPECT_EQ(verified.code, 0) << verified.out << verified.err;
  const json::value report = parse(verified);
  EXPECT_EQ(report.at("stored_shares").to_number<std::uint64_t>(), kAll - kExpired);
  EXPECT_EQ(report.at("problem_count").to_number<int>(), 0);
  running.signal(SIGTERM);
  EXPECT_EQ(running.wait(), 0);
  EXPECT_EQ(files(kExpired, kAll), kAll - kExpired);
}

TEST_F(AdminCommands, VerifyFindsAndMendsOnAStoppedAndOnARunningNode) {
  for (std::uint64_t n = 0; n < 20; ++n) add(n, 10);
  EXPECT_THAT(run_program({"admin", "rebuild-index", node()}).out, HasSubstr("20 immutable"));
  std::unique_ptr<ChildProcess> running;
  for (const bool is_running : {false, true}) {
    SCOPED_TRACE(is_running ? "running" : "stopped");
    if (is_running) {
      running = std::make_unique<ChildProcess>(std::vector<std::string>{"run", node()});
      ASSERT_TRUE(running->wait_for_log("running:")) << running->log();
    }
    const std::uint64_t n = is_running ? 10 : 0;
    fs::resize_file(file_of(share(n)), 10);
    fs::copy_file(file_of(share(n + 1)), file_of(share(n + 1)).parent_path() / "5");
    const Outcome found = run_program({"verify", node()});
    EXPECT_EQ(found.code, 1);
    EXPECT_THAT(found.out, HasSubstr(share(n).to_text() + ": damaged: "));
    EXPECT_THAT(found.out, HasSubstr("/5: unknown: the index does not have it"));
    EXPECT_THAT(found.out, HasSubstr("2 problems, 0 repaired"));
    const Outcome one =
        run_program({"verify", node(), share(n + 1).storage_index.to_text(), "--json"});
    EXPECT_EQ(one.code, 1);
    EXPECT_EQ(parse(one).at("findings").as_array().size(), 1u);
    const Outcome mended = run_program({"verify", node(), "--repair", "--json"});
    EXPECT_EQ(mended.code, 0) << mended.out;
    const json::value report = parse(mended);
    EXPECT_EQ(report.at("repaired").to_number<int>(), 2);
    for (const json::value& finding : report.at("findings").as_array()) {
      if (finding.at("problem") != "damaged") continue;
      EXPECT_TRUE(fs::exists(finding.at("place").as_string().c_str()));
    }
    EXPECT_EQ(run_program({"verify", node()}).code, 0);
  }
  EXPECT_EQ(run_program({"verify", node(), "not-an-index"}).code, 1);
}

TEST_F(AdminCommands, RemoveMovesSharesIntoQuarantineWithAnAuditLine) {
  add(1, 10);
  add(2, 10);
  ASSERT_EQ(run_program({"admin", "rebuild-index", node()}).code, 0);
  const Outcome stopped = run_program({"admin", "remove", node(), share(1).to_text()});
  EXPECT_EQ(stopped.code, 0) << stopped.err;
  EXPECT_THAT(stopped.out, HasSubstr("/storage/quarantine/"));
  EXPECT_THAT(stopped.err, HasSubstr("audit: share " + share(1).to_text()));
  EXPECT_FALSE(fs::exists(file_of(share(1))));
  ChildProcess running({"run", node()});
  ASSERT_TRUE(running.wait_for_log("running:")) << running.log();
  const Outcome live = run_program({"admin", "remove", node(), share(2).storage_index.to_text()});
  EXPECT_EQ(live.code, 0) << live.err;
  EXPECT_TRUE(running.wait_for_log("audit: share " + share(2).to_text()));
  EXPECT_FALSE(fs::exists(file_of(share(2))));
  EXPECT_EQ(run_program({"admin", "remove", node(), share(2).to_text()}).code, 1);
  EXPECT_THAT(run_program({"admin", "remove", node(), "x/y"}).err, HasSubstr("names no share"));
}

TEST_F(AdminCommands, TheIndexIsBuiltAnewAndLeasesAreFlushedWhileTheNodeRuns) {
  for (std::uint64_t n = 0; n < 50; ++n) add(n, 10);
  ChildProcess running({"run", node()});
  ASSERT_TRUE(running.wait_for_log("index rebuilt: 50 shares added")) << running.log();
  const Outcome rebuilt = run_program({"admin", "rebuild-index", node(), "--json"});
  EXPECT_EQ(rebuilt.code, 0) << rebuilt.err;
  EXPECT_TRUE(parse(rebuilt).at("complete").as_bool());
  EXPECT_EQ(parse(rebuilt).at("leases").to_number<int>(), 50);
  const Outcome flushed = run_program({"admin", "flush-leases", node()});
  EXPECT_EQ(flushed.code, 0) << flushed.err;
  EXPECT_THAT(flushed.out, HasSubstr("0 share files"));
  running.signal(SIGTERM);
  EXPECT_EQ(running.wait(), 0);
}

TEST_F(AdminCommands, ADirectoryWithoutKeysIsLeftAlone) {
  const std::string empty = directory_ / "empty";
  fs::create_directories(empty);
  write_file(empty + "/tahoe.cfg", "");
  for (const char* command : {"accept-expiry", "accept-clock", "flush-leases", "rebuild-index"}) {
    const Outcome outcome = run_program({"admin", command, empty});
    EXPECT_EQ(outcome.code, 1) << command;
    EXPECT_EQ(std::ranges::count(outcome.err, '\n'), 1) << outcome.err;
  }
  EXPECT_FALSE(fs::exists(empty + "/private/node.pem"));
}

}  // namespace
}  // namespace sharestore
