// How many durable changes a second the index takes, and what start, expiry and rebuild cost.
//
//   index_load DIRECTORY [--shares N] [--clients N] [--seconds N] [--due N] [--memory MIB]
//
// Fills DIRECTORY/index.sqlite with N shares of one lease each (unless it has them), then measures:
// renewals of random shares and new uploads by N clients that each wait for their answer, one pass
// that expires --due shares, and opening the database again.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "storage_server/index/full_index.h"

namespace {

using namespace sharestore;  // a program, not a library
using Time = std::chrono::steady_clock;

constexpr std::int64_t kNow = 1'800'000'000;

double since(Time::time_point t) { return std::chrono::duration<double>(Time::now() - t).count(); }

[[noreturn]] void die(const Error& error) {
  fmt::print(stderr, "index_load: {}\n", error.message());
  std::exit(1);
}
template <class T>
T must(Result<T> result) {
  if (!result) die(result.error());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

std::uint64_t mix(std::uint64_t z) {
  z += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}
StorageIndex index_of(std::uint64_t n) {
  std::array<unsigned char, StorageIndex::kBytes> bytes{};
  for (std::size_t i = 0; i < 2; ++i) {
    const std::uint64_t word = mix(n * 2 + i);
    std::memcpy(bytes.data() + i * 8, &word, 8);
  }
  return StorageIndex(bytes);
}
Lease lease_of(std::uint64_t n, std::int64_t expires_at) {
  Lease lease;
  lease.expires_at = expires_at;
  for (std::size_t i = 0; i < 4; ++i) {
    const std::uint64_t word = mix(n ^ (i << 56));
    std::memcpy(lease.renew_digest.data() + i * 8, &word, 8);
  }
  lease.cancel_digest = lease.renew_digest;
  return lease;
}
ScannedShare share_of(std::uint64_t n) {
  ScannedShare share;
  share.share = {index_of(n), 0};
  ShareInfo info;
  info.data_bytes = 1000;
  info.stored_bytes = 1084;
  share.info = info;
  share.stored_bytes = info.stored_bytes;
  const auto spread = static_cast<std::int64_t>(mix(n) % (31 * 86400));
  share.leases = {lease_of(n, kNow + spread)};
  return share;
}

template <class T>
T run(Task<T> task) {
  boost::asio::io_context context(1);
  auto future = boost::asio::co_spawn(context, std::move(task), boost::asio::use_future);
  context.run();
  return must(future.get());
}

void fill(FullIndex& index, std::uint64_t shares) {
  std::vector<std::pair<StorageIndex, std::uint64_t>> order;
  order.reserve(shares);
  for (std::uint64_t n = 0; n < shares; ++n) order.emplace_back(index_of(n), n);
  std::sort(order.begin(), order.end());
  const auto start = Time::now();
  run(index.begin_rebuild(kNow));
  for (std::size_t at = 0; at < order.size();) {
    std::vector<ScannedShare> batch;
    while (at < order.size() && batch.size() < IndexRebuild::kMaxScanBatch) {
      batch.push_back(share_of(order[at++].second));
    }
    run(index.record_scanned(std::move(batch), {}));
  }
  run(index.finish_rebuild());
  fmt::print("rebuild    {:>9} shares in {:.2f} s\n", shares, since(start));
}

struct Load {
  FullIndex& index;
  std::uint64_t shares;
  double seconds;
  std::int64_t first_end;
  Time::time_point start = Time::now();
  std::atomic<std::uint64_t> fresh{1ULL << 40};
};

boost::asio::awaitable<void> client(Load& load, bool renew, std::uint64_t seed,
                                    std::vector<std::uint32_t>& times_us) {
  std::mt19937_64 random(seed);
  while (since(load.start) < load.seconds) {
    const auto begun = Time::now();
    if (renew) {
      const std::uint64_t n = random() % load.shares;
      const auto later = static_cast<std::int64_t>(1000 * since(load.start));
      must(co_await load.index.add_or_renew(index_of(n), {}, lease_of(n, load.first_end + later)));
    } else {
      const std::uint64_t n = load.fresh++;
      const ScannedShare share = share_of(n);
      must(co_await load.index.finish_upload(share.share, *share.info, share.leases[0], kNow));
    }
    times_us.push_back(static_cast<std::uint32_t>(since(begun) * 1e6));
  }
}

void measure(FullIndex& index, const char* name, bool renew, std::uint64_t shares,
             std::size_t clients, double seconds) {
  // Later than in any earlier run: a renewal that changes nothing costs nothing.
  const std::string last = must(index.get_value("bench.end")).value_or("0");
  const std::int64_t first_end = std::max<std::int64_t>(std::stoll(last), kNow + 40 * 86400);
  run(index.set_value("bench.end", std::to_string(first_end + 100'000)));
  Load load{index, shares, seconds, first_end};
  load.fresh = static_cast<std::uint64_t>(Time::now().time_since_epoch().count());
  std::vector<std::vector<std::uint32_t>> times(clients);
  boost::asio::io_context context(1);
  for (std::size_t i = 0; i < clients; ++i) {
    boost::asio::co_spawn(context, client(load, renew, mix(i + load.fresh), times[i]),
                          boost::asio::detached);
  }
  const std::clock_t cpu = std::clock();
  load.start = Time::now();
  context.run();
  const double took = since(load.start);
  const double cpu_s = static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC;
  std::vector<std::uint32_t> all;
  for (const auto& part : times) all.insert(all.end(), part.begin(), part.end());
  std::sort(all.begin(), all.end());
  const auto at = [&](double part) {
    return all[static_cast<std::size_t>(part * static_cast<double>(all.size() - 1))];
  };
  const IndexSize size = index.size();
  fmt::print(
      "{:<10} {:>9} shares, {} clients: {:>8.0f}/s  p50 {} p99 {} p99.9 {} max {} us, "
      "{:.1f} us cpu each, pending {}, file {} MiB, log {} MiB\n",
      name, shares, clients, static_cast<double>(all.size()) / took, at(0.5), at(0.99), at(0.999),
      all.back(), 1e6 * cpu_s / static_cast<double>(all.size()), must(index.backlog()).pending,
      size.file_bytes >> 20, size.log_bytes >> 20);
}

boost::asio::awaitable<void> expire(FullIndex& index, std::uint64_t due) {
  const auto start = Time::now();
  std::uint64_t removed = 0;
  DueQuery query;
  query.before = kNow + 31LL * 86400;
  while (removed < due) {
    DuePage page = must(co_await index.due_leases(query));
    for (const DueShare& share : page.shares) {
      boost::asio::co_spawn(
          co_await boost::asio::this_coro::executor,
          [](FullIndex& i, ShareId id, std::int64_t before) -> boost::asio::awaitable<void> {
            if (must(co_await i.claim_expired(id, before))) must(co_await i.forget(id));
          }(index, share.share, query.before),
          boost::asio::detached);
      if (++removed == due) break;
    }
    query.after = page.next;
    if (!page.next) break;
    // Waits for about what was begun, so that memory stays bounded.
    must(co_await index.set_value("bench", "1"));
  }
  must(co_await index.set_value("bench", "2"));
  fmt::print("expire     {:>9} shares in {:.2f} s\n", removed, since(start));
}

}  // namespace

int main(int argc, char** argv) {
  std::string directory;
  std::uint64_t shares = 1000;
  std::size_t clients = 32;
  double seconds = 3;
  std::uint64_t due = 0;
  std::size_t memory_mib = 16;
  CLI::App app{"Load on the index"};
  app.add_option("directory", directory)->required();
  app.add_option("--shares", shares);
  app.add_option("--clients", clients);
  app.add_option("--seconds", seconds);
  app.add_option("--due", due);
  app.add_option("--memory", memory_mib);
  CLI11_PARSE(app, argc, argv);

  SystemClock clock;
  IndexOptions options;
  options.file = std::filesystem::path(directory) / "index.sqlite";
  options.memory_bytes = memory_mib << 20;
  auto open = [&] {
    const auto start = Time::now();
    auto index = must(FullIndex::open_full(options, clock));
    const double opened = since(start);
    must(index->find(index_of(1)));
    fmt::print("open       {:.1f} ms, first answer {:.1f} ms, {} shares, {} bytes, {} pending\n",
               1e3 * opened, 1e3 * since(start), index->totals().immutable_shares,
               index->totals().immutable_bytes, must(index->backlog()).pending);
    return index;
  };
  auto index = open();
  if (index->totals().immutable_shares < shares) fill(*index, shares);
  measure(*index, "renewals", true, shares, clients, seconds);
  measure(*index, "renewals", true, shares, clients, seconds);
  const auto fold = Time::now();
  run(index->fold_renewals());
  fmt::print("fold       {:.2f} s\n", since(fold));
  measure(*index, "uploads", false, shares, clients, seconds);
  if (due != 0) {
    boost::asio::io_context context(1);
    boost::asio::co_spawn(context, expire(*index, due), boost::asio::detached);
    context.run();
  }
  index->stop();
  index.reset();
  index = open();
  index->stop();
  return 0;
}
