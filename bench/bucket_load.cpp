// What the layer between shares and objects costs, over a store that is made up: reads ahead of a
// client, requests asked twice, and the memory of many uploads at once.
//
//   bucket_load read     [--delay MS] [--rate MB] [--size MIB] [--piece KIB]
//   bucket_load stalls   [--reads N] [--stalled PERCENT] [--stall MS] [--delay MS] [--readers N]
//   bucket_load uploads  [--uploads N] [--size MIB] [--rate MB] [--cache MIB] --directory DIR
//
// read: a share read in pieces, one after the other, against one get of the whole object. stalls:
// random reads of which some meet a stalled request; tells quantiles and requests. uploads: N
// uploads side by side into a store that keeps nothing; tells the peak of resident memory.
#include <fmt/format.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "backends/object/memory_container.h"
#include "backends/object/object_backend.h"
#include "tests/support/memory_journal.h"
#include "tests/support/shared_container.h"
#include "tests/support/test_data.h"

namespace {

using namespace sharestore;  // a program, not a library
namespace asio = boost::asio;

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kKiB = 1 << 10;

double seconds_since(Monotonic begun) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
}

template <class T>
T must(Result<T> result) {
  if (!result) {
    fmt::print(stderr, "bucket_load: {}\n", result.error().message());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

struct StoreModel {
  std::chrono::microseconds delay{20'000};
  double bytes_per_second = 125e6;  // of the line, shared by all requests
  double stalled_share = 0;
  std::chrono::milliseconds stall{5000};
  bool keeps_nothing = false;
};

// Every request waits `delay`, then for its bytes on a line that all share.
class ModelStore final : public SharedContainer {
 public:
  ModelStore(std::shared_ptr<ObjectContainer> inner, StoreModel model, Clock& clock)
      : SharedContainer(std::move(inner)), model_(model), clock_(clock) {}

  Task<ObjectBytes> get(OpContext context, std::string key, std::uint64_t offset,
                        std::uint64_t length, Freshness freshness) override {
    ++gets;
    if (model_.stalled_share > 0 && draw() < model_.stalled_share) {
      co_await clock_.sleep_until(clock_.now() + model_.stall);
    }
    co_await clock_.sleep_until(clock_.now() + model_.delay);
    auto got = co_await inner_->get(context, std::move(key), offset, length, freshness);
    if (got) co_await clock_.sleep_until(line_free_after(got->bytes.size()));
    co_return got;
  }
  Task<ObjectInfo> put(OpContext context, std::string key, ByteSourcePtr content,
                       PutCondition condition) override {
    if (!model_.keeps_nothing || !key.contains("/shares/")) {
      co_return co_await inner_->put(context, std::move(key), std::move(content), condition);
    }
    auto sent = co_await take(*content);
    if (!sent) co_return fail(sent.error());
    co_return ObjectInfo{std::move(key), content->size(), "x", 0};
  }
  Task<MultipartPart> upload_part(OpContext context, Multipart upload, std::uint32_t number,
                                  ByteSourcePtr content) override {
    if (!model_.keeps_nothing) {
      co_return co_await inner_->upload_part(context, std::move(upload), number,
                                             std::move(content));
    }
    auto sent = co_await take(*content);
    if (!sent) co_return fail(sent.error());
    co_return MultipartPart{number, "x", content->size()};
  }
  Task<ObjectInfo> complete_multipart(OpContext context, Multipart upload,
                                      std::vector<MultipartPart> parts,
                                      PutCondition condition) override {
    if (!model_.keeps_nothing) {
      co_return co_await inner_->complete_multipart(context, std::move(upload), std::move(parts),
                                                    condition);
    }
    must(co_await inner_->abort_multipart(context, upload));
    co_return ObjectInfo{upload.key, 0, "x", 0};
  }

  std::atomic<std::uint64_t> gets = 0;

 private:
  double draw() {
    const std::lock_guard hold(mutex_);
    return std::uniform_real_distribution<>(0, 1)(random_);
  }
  Monotonic line_free_after(std::uint64_t bytes) {
    const std::lock_guard hold(mutex_);
    const auto takes =
        std::chrono::duration<double>(static_cast<double>(bytes) / model_.bytes_per_second);
    line_free_ = std::max(line_free_, clock_.now()) + std::chrono::duration_cast<Duration>(takes);
    return line_free_;
  }
  // As a connection does: in small pieces, as fast as the line.
  Task<void> take(const ByteSource& content) {
    std::vector<std::byte> piece(64 * kKiB);
    for (std::uint64_t at = 0; at < content.size(); at += piece.size()) {
      piece.resize(std::min<std::uint64_t>(piece.size(), content.size() - at));
      auto read = content.read(at, piece);
      if (!read) co_return read;
      co_await clock_.sleep_until(line_free_after(piece.size()));
    }
    co_return Status{};
  }

  const StoreModel model_;
  Clock& clock_;
  std::mutex mutex_;
  std::mt19937_64 random_{7};
  Monotonic line_free_;
};

// A backend over the model, on a loop of its own.
class Rig {
 public:
  Rig(StoreModel model, const std::filesystem::path& directory, std::uint64_t cache_bytes)
      : store_(std::make_shared<ModelStore>(make_memory_container({}, clock_), model, clock_)) {
    ObjectBackendOptions options;
    options.prefix = "bench/";
    options.cache_bytes = cache_bytes;
    options.spool_directory = directory / "incoming";
    options.instance_file = directory / "instance";
    options.node_name = "bench";
    backend_ = make_object_backend(std::make_unique<SharedContainer>(store_), options, journal_,
                                   pool_, clock_, loop_.get_executor());
    must(run(backend_->start(context())));
  }
  ~Rig() {
    must(run(backend_->stop(context())));
    backend_.reset();
    guard_.reset();
    loop_.stop();
    thread_.join();
  }

  template <class T>
  T run(asio::awaitable<T> work) {
    return asio::co_spawn(loop_, std::move(work), asio::use_future).get();
  }
  OpContext context() { return {clock_, clock_.now() + std::chrono::hours(1)}; }
  asio::io_context& loop() { return loop_; }
  Backend& backend() { return *backend_; }
  ModelStore& store() { return *store_; }
  MemoryJournal& journal() { return journal_; }

  Task<void> upload(ShareId share, std::uint64_t bytes) {
    journal_.begin_upload({share, bytes, 0, ""});
    auto writer = co_await backend_->create_immutable(context(), {share, bytes});
    if (!writer) co_return fail(writer.error());
    const Bytes piece = pattern_bytes(128 * kKiB);
    for (std::uint64_t at = 0; at < bytes;) {
      auto room = co_await (*writer)->ready(context(), at,
                                            std::min<std::uint64_t>(piece.size(), bytes - at));
      if (!room) co_return fail(room.error());
      auto wrote = co_await (*writer)->write(context(), at, piece.slice(0, *room));
      if (!wrote) co_return wrote;
      at += *room;
    }
    auto done = co_await (*writer)->commit(context(), {});
    if (!done) co_return fail(done.error());
    co_return Status{};
  }

 private:
  SystemClock clock_;
  std::shared_ptr<ModelStore> store_;
  MemoryJournal journal_;
  IoPool pool_{4};
  asio::io_context loop_{1};
  asio::executor_work_guard<asio::io_context::executor_type> guard_{loop_.get_executor()};
  std::thread thread_{[this] { loop_.run(); }};
  std::unique_ptr<Backend> backend_;
};

struct Wishes {
  StoreModel model;
  std::uint64_t size_mib = 64;
  std::uint64_t piece_kib = 128;
  std::uint64_t cache_mib = 64;
  std::size_t reads = 20'000;
  std::size_t readers = 16;
  std::size_t uploads = 200;
  std::filesystem::path directory = std::filesystem::temp_directory_path() / "bucket_load";
};

Task<void> read_through(Rig& rig, ShareId share, std::uint64_t piece) {
  auto reader = co_await rig.backend().open(rig.context(), share);
  if (!reader) co_return fail(reader.error());
  for (std::uint64_t at = 0; at < (*reader)->info().data_bytes;) {
    auto bytes = co_await (*reader)->read(rig.context(), at, piece);
    if (!bytes) co_return fail(bytes.error());
    at += bytes->size();
  }
  co_return Status{};
}

void measure_read(const Wishes& wishes) {
  Rig rig(wishes.model, wishes.directory, wishes.cache_mib * kMiB);
  const ShareId share{test_index(1), 0};
  must(rig.run(rig.upload(share, wishes.size_mib * kMiB)));
  const std::string key =
      "bench/shares/" + share.storage_index.prefix() + "/" + share.storage_index.to_text() + "/0";
  Monotonic begun = std::chrono::steady_clock::now();
  must(rig.run(rig.store().get(rig.context(), key, 0, 0, Freshness::any)));
  const double direct = seconds_since(begun);
  const std::uint64_t before = rig.store().gets;
  begun = std::chrono::steady_clock::now();
  must(rig.run(read_through(rig, share, wishes.piece_kib * kKiB)));
  const double pieces = seconds_since(begun);
  fmt::print("one get {:.3f} s; in pieces of {} KiB {:.3f} s, {} requests: {:.0f} %\n", direct,
             wishes.piece_kib, pieces, rig.store().gets - before, 100 * direct / pieces);
}

asio::awaitable<void> read_at_random(Rig& rig, std::size_t reads, std::size_t shares,
                                     std::uint64_t bytes, unsigned seed, std::vector<double>& times,
                                     std::mutex& mutex) {
  std::mt19937_64 random(seed);
  for (std::size_t i = 0; i < reads; ++i) {
    const ShareId share{test_index(random() % shares), 0};
    const std::uint64_t at = random() % (bytes - 64 * kKiB);
    const Monotonic begun = std::chrono::steady_clock::now();
    auto reader = must(co_await rig.backend().open(rig.context(), share));
    must(co_await reader->read(rig.context(), at, 64 * kKiB));
    const std::lock_guard hold(mutex);
    times.push_back(seconds_since(begun));
  }
}

void measure_stalls(const Wishes& wishes) {
  constexpr std::size_t kShares = 64;
  constexpr std::uint64_t kShareBytes = 8 * kMiB;
  // A cache that holds next to nothing, so that reads are requests.
  Rig rig(wishes.model, wishes.directory, 4 * kMiB);
  for (std::uint64_t i = 0; i < kShares; ++i) {
    must(rig.run(rig.upload({test_index(i), 0}, kShareBytes)));
  }
  std::vector<double> times;
  std::mutex mutex;
  std::vector<std::future<void>> readers;
  readers.reserve(wishes.readers);
  const std::uint64_t before = rig.store().gets;
  for (unsigned i = 0; i < wishes.readers; ++i) {
    readers.push_back(asio::co_spawn(
        rig.loop(),
        read_at_random(rig, wishes.reads / wishes.readers, kShares, kShareBytes, i, times, mutex),
        asio::use_future));
  }
  for (auto& reader : readers) reader.get();
  std::ranges::sort(times);
  const auto at = [&times](double q) {
    return 1000 * times[static_cast<std::size_t>(q * static_cast<double>(times.size() - 1))];
  };
  fmt::print(
      "{} reads, {} requests; ms: median {:.1f} p90 {:.1f} p99 {:.1f} p99.5 {:.1f} p99.9 "
      "{:.1f} max {:.1f}\n",
      times.size(), rig.store().gets - before, at(0.5), at(0.9), at(0.99), at(0.995), at(0.999),
      at(1));
}

void measure_uploads(Wishes wishes) {
  wishes.model.keeps_nothing = true;
  Rig rig(wishes.model, wishes.directory, wishes.cache_mib * kMiB);
  const Monotonic begun = std::chrono::steady_clock::now();
  std::vector<std::future<Status>> uploads;
  uploads.reserve(wishes.uploads);
  for (std::uint64_t i = 0; i < wishes.uploads; ++i) {
    uploads.push_back(asio::co_spawn(
        rig.loop(), rig.upload({test_index(i), 0}, wishes.size_mib * kMiB), asio::use_future));
  }
  for (auto& upload : uploads) must(upload.get());
  struct rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  fmt::print("{} uploads of {} MiB in {:.0f} s; peak resident memory {:.1f} MiB\n", wishes.uploads,
             wishes.size_mib, seconds_since(begun), static_cast<double>(used.ru_maxrss) / 1024);
}

}  // namespace

int main(int argc, char** argv) {
  Wishes wishes;
  double delay_ms = 20;
  double rate_mb = 125;
  double stalled_percent = 1;
  std::uint64_t stall_ms = 5000;
  CLI::App app("what the layer between shares and objects costs");
  app.require_subcommand(1);
  auto* read = app.add_subcommand("read", "a share in pieces against one get");
  auto* stalls = app.add_subcommand("stalls", "reads of which some meet a stalled request");
  auto* uploads = app.add_subcommand("uploads", "memory of many uploads at once");
  for (auto* command : {read, stalls, uploads}) {
    command->add_option("--delay", delay_ms, "of every request, ms");
    command->add_option("--rate", rate_mb, "of the line, million bytes a second");
    command->add_option("--size", wishes.size_mib, "of a share, MiB");
    command->add_option("--cache", wishes.cache_mib, "block cache, MiB");
    command->add_option("--directory", wishes.directory, "for the spool");
  }
  read->add_option("--piece", wishes.piece_kib, "of a read, KiB");
  stalls->add_option("--reads", wishes.reads);
  stalls->add_option("--readers", wishes.readers);
  stalls->add_option("--stalled", stalled_percent, "requests that stall, percent");
  stalls->add_option("--stall", stall_ms, "how long, ms");
  uploads->add_option("--uploads", wishes.uploads);
  CLI11_PARSE(app, argc, argv);
  wishes.model.delay = std::chrono::microseconds(static_cast<std::int64_t>(delay_ms * 1000));
  wishes.model.bytes_per_second = rate_mb * 1e6;
  wishes.model.stall = std::chrono::milliseconds(stall_ms);
  std::filesystem::create_directories(wishes.directory);
  if (*read) measure_read(wishes);
  if (*stalls) {
    wishes.model.stalled_share = stalled_percent / 100;
    measure_stalls(wishes);
  }
  if (*uploads) measure_uploads(wishes);
  return 0;
}
