#include "storage_server/node/instance_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <string>

#include "tests/support/temp_dir.h"

namespace sharestore {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// A process that does nothing until it is killed; `name` is what its command line says.
class Bystander {
 public:
  explicit Bystander(const char* name) : pid_(::fork()) {
    if (pid_ == 0) {
      ::execl("/bin/sleep", name, "600", nullptr);
      ::_exit(127);
    }
    // Until exec is done its command line is that of this test.
    while (read_file("/proc/" + std::to_string(pid_) + "/cmdline").find("600") ==
           std::string::npos) {
      ::sched_yield();
    }
  }
  ~Bystander() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

pid_t process_that_is_gone() {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(0);
  ::waitpid(pid, nullptr, 0);
  return pid;
}

class InstanceLocks : public testing::Test {
 protected:
  fs::path file() const { return directory_ / "running.process"; }
  void record(pid_t pid, double started) {
    write_file(file(), std::to_string(pid) + " " + std::to_string(started) + "\n");
  }
  TempDir directory_;
};

TEST_F(InstanceLocks, SaysWhoRunsAndGoesAgain) {
  {
    const auto lock = InstanceLock::acquire(directory_.path());
    ASSERT_TRUE(lock) << lock.error().message();
    const std::string content = read_file(file());
    EXPECT_TRUE(content.starts_with(std::to_string(::getpid()) + " "));
    EXPECT_TRUE(content.ends_with("\n"));
    const double started = std::stod(content.substr(content.find(' ')));
    EXPECT_NEAR(started, process_start_time(::getpid()).value(), 0.011);
    EXPECT_NEAR(started, static_cast<double>(::time(nullptr)), 3600);
  }
  EXPECT_FALSE(fs::exists(file()));
  EXPECT_TRUE(fs::exists(directory_ / "running.process.lock"));
}

TEST_F(InstanceLocks, RefusesASecondOne) {
  const auto first = InstanceLock::acquire(directory_.path());
  ASSERT_TRUE(first);
  const auto second = InstanceLock::acquire(directory_.path());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), Errc::already_exists);
  EXPECT_TRUE(fs::exists(file()));
}

TEST_F(InstanceLocks, RefusesBesideAPythonNode) {
  const Bystander node("sleep");
  record(node.pid(), process_start_time(node.pid()).value());
  const auto lock = InstanceLock::acquire(directory_.path());
  ASSERT_FALSE(lock);
  EXPECT_EQ(lock.error().code(), Errc::already_exists);
  EXPECT_THAT(lock.error().message(), HasSubstr("as process " + std::to_string(node.pid())));
}

TEST_F(InstanceLocks, RefusesIfAPythonNodesStartTimeIsInDoubt) {
  const Bystander node("tahoe");
  record(node.pid(), 1.5);
  EXPECT_EQ(InstanceLock::acquire(directory_.path()).error().code(), Errc::already_exists);
}

TEST_F(InstanceLocks, ReplacesAProcessThatIsGone) {
  const pid_t gone = process_that_is_gone();
  record(gone, 1700000000.25);
  const auto lock = InstanceLock::acquire(directory_.path());
  ASSERT_TRUE(lock) << lock.error().message();
  EXPECT_EQ(lock->stale_process(), gone);
  EXPECT_TRUE(read_file(file()).starts_with(std::to_string(::getpid()) + " "));
}

TEST_F(InstanceLocks, ReplacesANumberThatAnotherProgramHasNow) {
  const Bystander other("sleep");
  record(other.pid(), 1.5);
  EXPECT_TRUE(InstanceLock::acquire(directory_.path()));
}

TEST_F(InstanceLocks, ReplacesItsOwnNumber) {
  // After a restart in a container, where numbers begin at 1 each time.
  record(::getpid(), 1.5);
  EXPECT_TRUE(InstanceLock::acquire(directory_.path()));
}

TEST_F(InstanceLocks, RefusesWhatItDoesNotUnderstand) {
  for (const char* content : {"garbage", "12", "12 x", "-1 2.0", "1 2.0 3", "12  2"}) {
    write_file(file(), content);
    const auto lock = InstanceLock::acquire(directory_.path());
    ASSERT_FALSE(lock) << content;
    EXPECT_EQ(lock.error().code(), Errc::invalid_argument) << content;
    EXPECT_EQ(read_file(file()), content);
  }
  write_file(file(), "");
  EXPECT_TRUE(InstanceLock::acquire(directory_.path()));
}

}  // namespace
}  // namespace sharestore
