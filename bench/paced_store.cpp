// paced-store: an object store that takes exactly as long as it is told to, S3 and Swift at once,
// so that what a node adds to it can be measured.
//
//   paced-store [--delay-ms MS] [--stalled-percent PERCENT] [--stall-ms MS]
//
// Prints KEY=VALUE lines (names as of tests/support/swift_server.py), then an empty one. To each
// line on its standard input it says how many reads it was asked for and how many of them stalled;
// it serves until the input ends. Each read (a GET with a range) is answered so long after it came,
// other requests at once. Which reads stall depends on their number alone: every run is the same.
#include <fmt/format.h>
#include <sys/prctl.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <random>
#include <string>

#include "tests/support/fake_s3.h"
#include "tests/support/fake_swift.h"

namespace {

using namespace sharestore;  // a program, not a library

constexpr const char* kContainer = "bench";
// What a client without a node reads, over S3 without a signature.
constexpr const char* kDirectKey = "direct";
constexpr std::size_t kDirectBytes = std::size_t{3} << 20;

class Pace {
 public:
  double delay_ms = 20;
  double stalled_percent = 0;
  double stall_ms = 5000;

  std::chrono::nanoseconds of(const test::FakeRequest& request) {
    if (request.method != "GET" || !request.has_header("range")) return {};
    const std::uint64_t number = ++reads_;
    const bool stalls = std::uniform_real_distribution<>(0, 100)(seeded(number)) < stalled_percent;
    if (stalls) ++stalled_;
    const double waits_ms = delay_ms + (stalls ? stall_ms : 0);
    return std::chrono::nanoseconds(static_cast<std::int64_t>(waits_ms * 1e6));
  }
  void apply_to(test::FakeHttpServer& server) {
    server.set_pace([this](const test::FakeRequest& request) { return of(request); });
  }
  std::string told() const {
    return fmt::format("reads={} stalled={}\n", reads_.load(), stalled_.load());
  }

 private:
  static std::mt19937_64& seeded(std::uint64_t number) {
    thread_local std::mt19937_64 random;
    random.seed(number);
    return random;
  }

  std::atomic<std::uint64_t> reads_ = 0;
  std::atomic<std::uint64_t> stalled_ = 0;
};

void say(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  Pace pace;
  CLI::App app{"An object store that takes as long as it is told to"};
  app.add_option("--delay-ms", pace.delay_ms, "Of each read")->capture_default_str();
  app.add_option("--stalled-percent", pace.stalled_percent, "Of the reads")->capture_default_str();
  app.add_option("--stall-ms", pace.stall_ms, "What these take longer")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGPIPE, SIG_IGN);
  // The kernel may wake threads 50 us late otherwise, those that are made here too.
  prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);

  SystemClock clock;
  test::FakeS3Options options;
  options.bucket = kContainer;
  // Checking a signature takes longer than a read may be late.
  options.public_reads = true;
  test::FakeS3 s3(clock, options);
  test::FakeSwift swift(kContainer, clock);
  pace.apply_to(s3.server());
  pace.apply_to(swift.server());
  s3.put_object(kDirectKey, std::string(kDirectBytes, 'd'));
  say(fmt::format(
      "S3_URL={}\nS3_REGION={}\nS3_ACCESS_KEY_ID={}\nS3_SECRET_ACCESS_KEY={}\n"
      "SWIFT_AUTH_URL={}\nSWIFT_USER={}\nSWIFT_KEY={}\nCONTAINER={}\nDIRECT_KEY={}\n\n",
      s3.server().origin(), options.region, options.access_key_id, options.secret, swift.auth_url(),
      test::FakeSwift::kUser, test::FakeSwift::kKey, kContainer, kDirectKey));
  for (std::string line; std::getline(std::cin, line);) say(pace.told());
  return 0;
}
