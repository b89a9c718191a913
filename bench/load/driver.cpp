#include "bench/load/driver.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <thread>

#include "bench/load/process_stats.h"

namespace sharestore::load {
namespace {

constexpr std::chrono::milliseconds kTick{50};
// What is under way when the window ends may take this long to come to its end.
constexpr double kLastOperations_s = 30;

class Thread {
 public:
  Thread(const TlsClientContext& context, const Plan& plan, const ScriptSource& source,
         RunState& run, std::size_t first, std::size_t step, std::size_t count) {
    const ClientOptions options{.mode = plan.mode};
    for (std::size_t i = first; i < count; i += step) {
      clients_.push_back(
          std::make_unique<Client>(context, scratch_, plan, options, source, run, tally, i));
    }
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
  }
  ~Thread() {
    if (thread_.joinable()) thread_.join();
    ::close(epoll_);
  }
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;

  void start() {
    thread_ = std::thread([this] { loop(); });
  }
  // Ends it in the middle of whatever it does.
  void abort() { aborted_ = true; }
  bool over() const { return over_; }
  pid_t id() const { return id_; }
  void join() { thread_.join(); }

  Tally tally;  // to be read after join()

 private:
  void loop() {
    id_ = gettid();
    for (std::size_t i = 0; i < clients_.size() && !aborted_; ++i) {
      clients_[i]->start(epoll_, i);
      if (i % 64 == 63) poll(std::chrono::milliseconds(0));  // so that a listener's queue holds
    }
    auto next_tick = Time::now() + kTick;
    while (!aborted_) {
      poll(kTick);
      const auto now = Time::now();
      if (now < next_tick) continue;
      next_tick = now + kTick;
      for (auto& client : clients_) client->on_tick(now);
      if (std::ranges::all_of(clients_, [](const auto& client) { return client->over(); })) break;
    }
    over_ = true;
  }

  void poll(std::chrono::milliseconds longest) {
    std::array<epoll_event, 256> events{};
    const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()),
                                 static_cast<int>(longest.count()));
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      clients_[event.data.u64]->on_events(event.events);
    }
  }

  Scratch scratch_;
  std::vector<std::unique_ptr<Client>> clients_;
  int epoll_ = -1;
  std::atomic<pid_t> id_ = 0;
  std::atomic<bool> aborted_ = false;
  std::atomic<bool> over_ = false;
  std::thread thread_;
};

using Threads = std::deque<Thread>;

bool all_over(const Threads& threads) {
  return std::ranges::all_of(threads, [](const Thread& thread) { return thread.over(); });
}

// Sleeps until `when`, or until nobody works any more.
void wait_until(Time::time_point when, const Threads& threads) {
  while (Time::now() < when && !all_over(threads)) {
    std::this_thread::sleep_until(std::min(when, Time::now() + std::chrono::milliseconds(10)));
  }
}

Time::duration seconds(double count) {
  return std::chrono::duration_cast<Time::duration>(std::chrono::duration<double>(count));
}

// What changes while a window is open.
struct Snapshot {
  Time::time_point time = Time::now();
  ProcessStats server;
  std::vector<ThreadTimes> threads;

  static Snapshot take(const DriverOptions& options, const Threads& running) {
    Snapshot now;
    for (const Thread& thread : running) now.threads.push_back(times_of_thread(thread.id()));
    now.server = stats_of(options.server);
    now.time = Time::now();
    return now;
  }
};

void fill(Report& report, const Snapshot& begin, const Snapshot& end) {
  report.seconds = std::chrono::duration<double>(end.time - begin.time).count();
  report.server_cpu_s = end.server.cpu_s - begin.server.cpu_s;
  report.server_rss_bytes = end.server.rss_bytes;
  report.server_anonymous_bytes = end.server.anonymous_bytes;
  report.server_peak_bytes = end.server.peak_bytes;
  for (std::size_t i = 0; i < end.threads.size(); ++i) {
    const double ran = end.threads[i].ran_s - begin.threads[i].ran_s;
    const double waited = end.threads[i].waited_s - begin.threads[i].waited_s;
    report.client_cpu_s += ran;
    report.busiest_thread = std::max(report.busiest_thread, (ran + waited) / report.seconds);
  }
}

}  // namespace

Result<Report> run_load(Plan& plan, const ScriptSource& source, const DriverOptions& options) {
  auto context = TlsClientContext::create(options.cipher_suite);
  if (!context) return fail(context.error());
  RunState run;
  run.max_operations = options.operations;
  Threads threads;
  for (std::size_t i = 0; i < options.threads; ++i) {
    threads.emplace_back(**context, plan, source, run, i, options.threads, options.connections);
  }
  const auto hard_end = Time::now() + seconds(options.longest_s);
  Report report;
  const bool counted = options.operations != 0;
  run.measuring = counted;
  Snapshot begin;
  begin.threads.resize(options.threads);
  begin.server = stats_of(options.server);
  for (Thread& thread : threads) thread.start();
  if (!counted) {
    wait_until(Time::now() + seconds(options.warmup_s), threads);
    begin = Snapshot::take(options, threads);
    run.measuring = true;
    wait_until(std::min(hard_end, begin.time + seconds(options.seconds)), threads);
  } else {
    while (run.finished < options.operations && Time::now() < hard_end && !all_over(threads)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  run.measuring = false;
  fill(report, begin, Snapshot::take(options, threads));
  report.connected = run.connected;
  run.stopping = true;
  wait_until(std::min(hard_end, Time::now() + seconds(kLastOperations_s)), threads);
  for (Thread& thread : threads) {
    thread.abort();
    thread.join();
    report.tally.latency.merge(thread.tally.latency);
    report.tally.operations += thread.tally.operations;
    report.tally.requests += thread.tally.requests;
    report.tally.payload_bytes += thread.tally.payload_bytes;
    report.tally.connects += thread.tally.connects;
    report.tally.resumed += thread.tally.resumed;
    report.tally.errors += thread.tally.errors;
    if (report.tally.first_error.empty()) report.tally.first_error = thread.tally.first_error;
  }
  return report;
}

}  // namespace sharestore::load
