// The program as a child process: its exit code, what it prints, signals to it.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace sharestore::test {

// One thread. A child that still runs at the end is killed.
class ChildProcess {
 public:
  // `arguments` without the program's name; standard input is empty.
  explicit ChildProcess(const std::vector<std::string>& arguments);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  void signal(int number) const;
  // Reads standard error until it has `text`. False: it ended, or 20 s have passed.
  bool wait_for_log(const std::string& text);
  // Reads both streams to their ends and waits. The exit code, or 128 + the signal that ended it;
  // -1: it did not end within 60 s.
  int wait();

  const std::string& out() const { return out_; }
  const std::string& log() const { return err_; }

 private:
  bool read_more(int timeout_ms);

  pid_t pid_ = -1;
  int out_fd_ = -1;
  int err_fd_ = -1;
  std::string out_;
  std::string err_;
};

struct Outcome {
  int code = -1;
  std::string out;
  std::string err;
};

// Runs the program to its end.
Outcome run_program(const std::vector<std::string>& arguments);

}  // namespace sharestore::test
