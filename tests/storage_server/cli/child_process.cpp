#include "tests/storage_server/cli/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <stdexcept>

namespace sharestore::test {

namespace {

using SteadyClock = std::chrono::steady_clock;
constexpr std::chrono::seconds kLogWait{20};
constexpr std::chrono::seconds kEndWait{60};

// What is left of a wait, for poll().
int left_ms(SteadyClock::time_point end) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - SteadyClock::now());
  return left.count() > 0 ? static_cast<int>(left.count()) : 0;
}

// Some bytes of a readable descriptor; closes it at the end of the stream.
void take(int& fd, std::string& into) {
  std::array<char, 65536> buffer{};
  const ssize_t got = ::read(fd, buffer.data(), buffer.size());
  if (got > 0) {
    into.append(buffer.data(), static_cast<std::size_t>(got));
  } else if (got == 0 || errno != EINTR) {
    ::close(fd);
    fd = -1;
  }
}

}  // namespace

ChildProcess::ChildProcess(const std::vector<std::string>& arguments) {
  std::array<int, 2> out{};
  std::array<int, 2> err{};
  if (::pipe2(out.data(), O_CLOEXEC) != 0 || ::pipe2(err.data(), O_CLOEXEC) != 0) {
    throw std::runtime_error("pipe2");
  }
  std::vector<std::string> words = {SHARESTORE_PROGRAM};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ == 0) {
    const int null = ::open("/dev/null", O_RDONLY);
    ::dup2(null, STDIN_FILENO);
    ::dup2(out[1], STDOUT_FILENO);
    ::dup2(err[1], STDERR_FILENO);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  ::close(out[1]);
  ::close(err[1]);
  out_fd_ = out[0];
  err_fd_ = err[0];
}

ChildProcess::~ChildProcess() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  if (out_fd_ >= 0) ::close(out_fd_);
  if (err_fd_ >= 0) ::close(err_fd_);
}

void ChildProcess::signal(int number) const { ::kill(pid_, number); }

bool ChildProcess::read_more(int timeout_ms) {
  std::array<pollfd, 2> polled = {{{out_fd_, POLLIN, 0}, {err_fd_, POLLIN, 0}}};
  if (::poll(polled.data(), polled.size(), timeout_ms) <= 0) return false;
  if (polled[0].revents != 0) take(out_fd_, out_);
  if (polled[1].revents != 0) take(err_fd_, err_);
  return true;
}

bool ChildProcess::wait_for_log(const std::string& text) {
  const auto end = SteadyClock::now() + kLogWait;
  while (err_.find(text) == std::string::npos) {
    if (err_fd_ < 0 || !read_more(left_ms(end))) return false;
  }
  return true;
}

int ChildProcess::wait() {
  const auto end = SteadyClock::now() + kEndWait;
  while (out_fd_ >= 0 || err_fd_ >= 0) {
    if (!read_more(left_ms(end))) return -1;
  }
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

Outcome run_program(const std::vector<std::string>& arguments) {
  ChildProcess child(arguments);
  Outcome outcome;
  outcome.code = child.wait();
  outcome.out = child.out();
  outcome.err = child.log();
  return outcome;
}

}  // namespace sharestore::test
