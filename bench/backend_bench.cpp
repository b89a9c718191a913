// Every operation of a Backend, on the backends that need no account, one, eight and 32 at once.
//
//   backend_bench --benchmark_filter=disk/upload
//
// An iteration is as many operations side by side as the case's last number says. p50 and p99 are
// of single operations; cpu_us is the process's time per operation, all threads.
#include <benchmark/benchmark.h>

#include <fmt/format.h>

#include <map>

#include "bench/measure/operations.h"
#include "bench/measure/world.h"

namespace {

using namespace sharestore;  // a program, not a library
using measure::must;
using measure::Operations;
using measure::World;
using Awaitable = boost::asio::awaitable<void>;
using Time = std::chrono::steady_clock;

constexpr std::uint64_t kKiB = 1024;
constexpr std::uint64_t kMiB = 1024 * kKiB;
constexpr std::uint64_t kReadShareBytes = 8 * kMiB;
constexpr std::size_t kPieceBytes = 256 * kKiB;

// One world per backend for the whole run: cases find their shares by numbers of their own.
World& world_of(const std::string& name) {
  static std::map<std::string, std::unique_ptr<World>> worlds;
  auto& world = worlds[name];
  if (!world) world = measure::make_world(name);
  return *world;
}

ShareId next_share() {
  static std::uint64_t last = 0;
  std::array<unsigned char, StorageIndex::kBytes> bytes{};
  const std::uint64_t number = ++last * 0x9e3779b97f4a7c15;
  std::memcpy(bytes.data(), &number, sizeof number);
  return {StorageIndex(bytes), 0};
}

Bytes piece_of(std::size_t bytes) { return Bytes(std::vector<std::byte>(bytes, std::byte{0x5a})); }

Awaitable store(World& world, ShareId share, std::uint64_t bytes, Bytes piece) {
  world.journal.begin_upload({share, bytes, 0, {}});
  auto writer = must(co_await world.backend().create_immutable(world.context(), {share, bytes}));
  for (std::uint64_t at = 0; at < bytes; at += piece.size()) {
    const auto length = std::min<std::uint64_t>(piece.size(), bytes - at);
    must(co_await writer->write(world.context(), at,
                                piece.slice(0, static_cast<std::size_t>(length))));
  }
  must(co_await writer->commit(world.context(), {}));
  world.journal.end_upload(share);
}

void forget(World& world, const std::vector<ShareId>& shares) {
  world.run(shares.size(), [&](std::size_t i) -> Awaitable {
    must(co_await world.backend().remove(world.context(), shares[i]));
  });
}

// `operation` side by side, each timed; `count` times per iteration.
void measured(benchmark::State& state, World& world, std::uint64_t bytes,
              const std::function<Awaitable(std::size_t)>& operation) {
  const auto count = static_cast<std::size_t>(state.range(0));
  Operations operations(state);
  for (auto _ : state) {
    world.run(count, [&](std::size_t i) -> Awaitable {
      const auto begun = Time::now();
      co_await operation(i);
      operations.add(Time::now() - begun);
    });
  }
  operations.report(bytes);
}

void read(benchmark::State& state, const std::string& name, std::uint64_t bytes) {
  World& world = world_of(name);
  const ShareId share = next_share();
  world.run(
      1, [&](std::size_t) { return store(world, share, kReadShareBytes, piece_of(kPieceBytes)); });
  std::shared_ptr<ShareReader> reader;
  world.run(1, [&](std::size_t) -> Awaitable {
    reader = must(co_await world.backend().open(world.context(), share));
  });
  std::uint64_t at = 0;
  std::vector<std::byte> into(static_cast<std::size_t>(std::min(bytes, kMiB)));
  measured(state, world, bytes, [&](std::size_t) -> Awaitable {
    const std::uint64_t from = at;
    at = (at + bytes) % kReadShareBytes;
    for (std::uint64_t done = 0; done < bytes; done += into.size()) {
      if (reader->read_now(from + done, into)) continue;
      must(co_await reader->read(world.context(), from + done, into.size()));
    }
  });
  reader.reset();
  forget(world, {share});
}

void upload(benchmark::State& state, const std::string& name, std::uint64_t bytes) {
  World& world = world_of(name);
  const Bytes piece =
      piece_of(static_cast<std::size_t>(std::min<std::uint64_t>(bytes, kPieceBytes)));
  const auto count = static_cast<std::size_t>(state.range(0));
  Operations operations(state);
  for (auto _ : state) {
    std::vector<ShareId> shares;
    shares.reserve(count);
    for (std::size_t i = 0; i < count; ++i) shares.push_back(next_share());
    world.run(count, [&](std::size_t i) -> Awaitable {
      const auto begun = Time::now();
      co_await store(world, shares[i], bytes, piece);
      operations.add(Time::now() - begun);
    });
    state.PauseTiming();
    forget(world, shares);
    state.ResumeTiming();
  }
  operations.report(bytes);
}

// Each of the slots at once is overwritten, whole.
void commit_slot(benchmark::State& state, const std::string& name, std::uint64_t bytes) {
  World& world = world_of(name);
  const ByteSourcePtr data = memory_source(piece_of(static_cast<std::size_t>(bytes)));
  std::vector<ShareId> slots;
  slots.reserve(static_cast<std::size_t>(state.range(0)));
  for (std::int64_t i = 0; i < state.range(0); ++i) slots.push_back(next_share());
  measured(state, world, bytes, [&](std::size_t i) -> Awaitable {
    SlotCommit commit{slots[i].storage_index, Secret(std::string(32, 'w')), {}};
    ShareChange change;
    change.writes.push_back({0, data});
    commit.changes.push_back(std::move(change));
    must(co_await world.backend().commit_slot(world.context(), std::move(commit)));
  });
  forget(world, slots);
}

void list(benchmark::State& state, const std::string& name) {
  World& world = world_of(name);
  const ShareId share = next_share();
  world.run(1, [&](std::size_t) { return store(world, share, kKiB, piece_of(kKiB)); });
  measured(state, world, 0, [&](std::size_t) -> Awaitable {
    must(co_await world.backend().list(world.context(), share.storage_index, {0}));
  });
  forget(world, {share});
}

void store_leases(benchmark::State& state, const std::string& name) {
  World& world = world_of(name);
  std::vector<ShareId> shares;
  shares.reserve(static_cast<std::size_t>(state.range(0)));
  for (std::int64_t i = 0; i < state.range(0); ++i) shares.push_back(next_share());
  world.run(shares.size(),
            [&](std::size_t i) { return store(world, shares[i], kKiB, piece_of(kKiB)); });
  std::int64_t end = 1'800'000'000;
  measured(state, world, 0, [&](std::size_t i) -> Awaitable {
    Lease lease;
    lease.expires_at = ++end;
    must(co_await world.backend().store_leases(world.context(), shares[i], {{lease, {}}}));
  });
  forget(world, shares);
}

template <class Function, class... Arguments>
void add(const std::string& name, const std::vector<std::int64_t>& at_once, Function function,
         const Arguments&... arguments) {
  auto* made = benchmark::RegisterBenchmark(
      name.c_str(), [=](benchmark::State& state) { function(state, arguments...); });
  made->UseRealTime()->Unit(benchmark::kMicrosecond);
  for (const std::int64_t count : at_once) made->Arg(count);
}

void add_all(const std::string& world) {
  const std::vector<std::int64_t> all = {1, 8, 32};
  add(world + "/read/4KiB", all, read, world, 4 * kKiB);
  add(world + "/read/128KiB", all, read, world, 128 * kKiB);
  add(world + "/read/1MiB", all, read, world, kMiB);
  add(world + "/read/whole_8MiB", all, read, world, kReadShareBytes);
  add(world + "/upload/1KiB", all, upload, world, kKiB);
  add(world + "/upload/64KiB", all, upload, world, 64 * kKiB);
  add(world + "/upload/1MiB", all, upload, world, kMiB);
  // More of them at once are the load tool's business: seconds, not a benchmark's iterations.
  add(world + "/upload/64MiB", {1}, upload, world, 64 * kMiB);
  add(world + "/commit_slot/4KiB", all, commit_slot, world, 4 * kKiB);
  add(world + "/commit_slot/1MiB", all, commit_slot, world, kMiB);
  add(world + "/list", all, list, world);
  add(world + "/store_leases", all, store_leases, world);
}

// Before benchmark_main() looks what there is.
const bool kRegistered = [] {
  for (const std::string& world : measure::world_names()) add_all(world);
  return true;
}();

}  // namespace
