// What of a node directory tells that another program ran on it.
#include "storage_server/node/last_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>

#include "tests/support/temp_dir.h"

namespace sharestore {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class LastRuns : public testing::Test {
 protected:
  LastRuns() {
    config_.node_directory = directory_.path();
    config_.private_directory = directory_ / "private";
    config_.storage.storage_directory = directory_ / "storage";
    fs::create_directory(config_.private_directory);
    fs::create_directory(config_.storage.storage_directory);
    write_file(config_.node_directory / "my_nodeid", "one\n");
    config_.storage.backend = DiskConfig{};
  }

  TempDir directory_;
  NodeConfig config_;
};

TEST_F(LastRuns, NothingHappened) {
  const auto kept = LastRun::from_text(LastRun::now(config_).to_text());
  ASSERT_TRUE(kept);
  EXPECT_EQ(reason_to_rescan(*kept, config_), "");
}

TEST_F(LastRuns, EachFileOfThePythonNodeTells) {
  for (const fs::path& file :
       {config_.node_directory / "my_nodeid", config_.private_directory / "logport.furl",
        config_.storage.storage_directory / "lease_checker.state.json",
        config_.storage.storage_directory / "bucket_counter.state.json"}) {
    const LastRun before = LastRun::now(config_);
    write_file(file, "new\n");
    // Older than anything: what a clock that was set back leaves.
    fs::last_write_time(file, fs::file_time_type::clock::now() - std::chrono::hours(24 * 365));
    EXPECT_THAT(reason_to_rescan(before, config_), HasSubstr(file.string()));
  }
}

TEST_F(LastRuns, AnotherBackend) {
  const LastRun before = LastRun::now(config_);
  config_.storage.backend = MemoryConfig{};
  EXPECT_EQ(reason_to_rescan(before, config_), "the backend was disk and is memory");
}

TEST_F(LastRuns, TextThatItDidNotMakeIsRefused) {
  for (const char* text : {"", "1", "1 2 3 disk", "1 2 3 x disk", "1 2 3 4"}) {
    EXPECT_FALSE(LastRun::from_text(text)) << text;
  }
}

}  // namespace
}  // namespace sharestore
