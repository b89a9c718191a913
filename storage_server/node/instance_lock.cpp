#include "storage_server/node/instance_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "config/text.h"

namespace sharestore {

namespace fs = std::filesystem;

namespace {

constexpr const char* kProcessFile = "running.process";
constexpr const char* kLockFile = "running.process.lock";
constexpr std::string_view kOwnName = "sharestore";
constexpr std::size_t kMaxProcFileBytes = 1 << 20;
constexpr std::size_t kMaxProcessFileBytes = 4096;
constexpr int kLockRetryMs = 20;
// The clock may have been set a little since; a reused process number is further away.
constexpr double kStartToleranceS = 2.0;

// A flock that ends with the object.
class HeldLock {
 public:
  explicit HeldLock(int fd) : fd_(fd) {}
  ~HeldLock() {
    if (fd_ >= 0) ::close(fd_);
  }
  HeldLock(const HeldLock&) = delete;
  HeldLock& operator=(const HeldLock&) = delete;
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

std::unexpected<Error> failed(const fs::path& file) {
  return fail(errno_error(errno, file.string()));
}

// Held by the Python node for the moments in which it reads or removes running.process.
Result<int> hold_lock_file(const fs::path& file) {
  HeldLock lock(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (lock.get() < 0) return failed(file);
  for (int waited_ms = 0;; waited_ms += kLockRetryMs) {
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock.release();
    if (errno != EWOULDBLOCK && errno != EINTR) return failed(file);
    if (waited_ms >= kInstanceLockWaitMs) {
      return fail(Errc::busy, fmt::format("{}: another process holds this lock", file.string()));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(kLockRetryMs));
  }
}

struct Recorded {
  pid_t pid = 0;
  double started = 0;
};

Result<Recorded> parse_process_file(std::string_view content, const fs::path& file) {
  const std::string_view line = trim(content);
  Recorded recorded;
  const char* const end = line.data() + line.size();
  const auto [after_pid, bad_pid] = std::from_chars(line.data(), end, recorded.pid);
  if (bad_pid == std::errc() && recorded.pid > 0 && after_pid != end && *after_pid == ' ') {
    const auto [after_time, bad_time] = std::from_chars(after_pid + 1, end, recorded.started);
    if (bad_time == std::errc() && after_time == end) return recorded;
  }
  return fail(
      Errc::invalid_argument,
      fmt::format("{}: expected a process number and its start time; remove this file if no "
                  "node runs here",
                  file.string()));
}

// A node of this program holds its lock on running.process, which tells for certain; the Python
// node holds nothing while it runs.
bool may_be_a_python_node(pid_t pid) {
  const auto name = read_text_file(fmt::format("/proc/{}/comm", pid), kMaxProcFileBytes);
  if (name && trim(*name) == kOwnName) return false;
  const auto command = read_text_file(fmt::format("/proc/{}/cmdline", pid), kMaxProcFileBytes);
  // Unreadable: better to refuse than to run twice.
  return !command || command->contains("tahoe") || command->contains("twistd");
}

bool is_running(const Recorded& recorded) {
  if (recorded.pid == ::getpid()) return false;  // what holds the lock below tells otherwise
  const auto started = process_start_time(recorded.pid);
  if (!started) return false;
  const bool same = std::abs(*started - recorded.started) <= kStartToleranceS;
  return same || may_be_a_python_node(recorded.pid);
}

// Opens running.process and takes the lock that this program's nodes hold while they run.
Result<int> hold_process_file(const fs::path& file) {
  HeldLock lock(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (lock.get() < 0) return failed(file);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return failed(file);
    return fail(Errc::already_exists, "");
  }
  return lock.release();
}

std::unexpected<Error> in_the_way(const fs::path& directory, std::string_view who) {
  return fail(Errc::already_exists,
              fmt::format("{}: a node is already running here{}", directory.string(), who));
}

}  // namespace

std::optional<double> process_start_time(pid_t pid) {
  const auto status = read_text_file(fmt::format("/proc/{}/stat", pid), kMaxProcFileBytes);
  const auto machine = read_text_file("/proc/stat", kMaxProcFileBytes);
  if (!status || !machine) return std::nullopt;
  // Fields after the command, which is in parentheses and may hold anything; the 22nd is wanted.
  const std::size_t command_end = status->rfind(')');
  const std::size_t boot = machine->find("\nbtime ");
  if (command_end == std::string::npos || boot == std::string::npos) return std::nullopt;
  const auto fields = split(std::string_view(*status).substr(command_end + 2), ' ');
  constexpr std::size_t kStartField = 22 - 3;
  if (fields.size() <= kStartField) return std::nullopt;
  std::uint64_t ticks = 0;
  std::uint64_t boot_time = 0;
  const auto parse = [](std::string_view text, std::uint64_t& value) {
    return std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc();
  };
  if (!parse(fields[kStartField], ticks) ||
      !parse(std::string_view(*machine).substr(boot + 7), boot_time)) {
    return std::nullopt;
  }
  return static_cast<double>(boot_time) +
         static_cast<double>(ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

Result<InstanceLock> InstanceLock::acquire(const fs::path& node_directory) {
  const auto lock_file = hold_lock_file(node_directory / kLockFile);
  if (!lock_file) return fail(lock_file.error());
  const HeldLock guard(*lock_file);

  const fs::path file = node_directory / kProcessFile;
  const auto content = read_text_file(file, kMaxProcessFileBytes);
  if (!content && content.error().code() != Errc::not_found) return fail(content.error());
  std::optional<pid_t> stale;
  // An empty file is what a crash between making and writing it leaves.
  if (content && !trim(*content).empty()) {
    const auto recorded = parse_process_file(*content, file);
    if (!recorded) return fail(recorded.error());
    if (is_running(*recorded)) {
      return in_the_way(node_directory, fmt::format(" as process {}", recorded->pid));
    }
    stale = recorded->pid;
  }
  const auto held = hold_process_file(file);
  if (!held) {
    if (held.error().code() != Errc::already_exists) return fail(held.error());
    return in_the_way(node_directory, "");
  }
  InstanceLock lock(file, *held);
  lock.stale_ = stale;
  const std::string line =
      fmt::format("{} {:.2f}\n", ::getpid(), process_start_time(::getpid()).value_or(0));
  if (::ftruncate(lock.fd_, 0) != 0 ||
      ::pwrite(lock.fd_, line.data(), line.size(), 0) != static_cast<ssize_t>(line.size())) {
    return failed(file);
  }
  return lock;
}

InstanceLock::InstanceLock(InstanceLock&& other) noexcept
    : file_(std::move(other.file_)), fd_(std::exchange(other.fd_, -1)), stale_(other.stale_) {}

InstanceLock& InstanceLock::operator=(InstanceLock&& other) noexcept {
  std::swap(file_, other.file_);
  std::swap(fd_, other.fd_);
  std::swap(stale_, other.stale_);
  return *this;
}

InstanceLock::~InstanceLock() {
  if (fd_ < 0) return;
  // Without the lock file if another start holds it for long: that start will see our lock go.
  const auto lock_file = hold_lock_file(file_.parent_path() / kLockFile);
  const HeldLock guard(lock_file.value_or(-1));
  ::unlink(file_.c_str());
  ::close(fd_);
}

}  // namespace sharestore
