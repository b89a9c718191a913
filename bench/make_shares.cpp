// Fills a storage directory with share files as fast as the file system takes them, for
// measurements of start, rebuild, expiry and verification at a size that uploads would take hours
// to make.
//
//   make_shares STORAGE_DIR [--shares N] [--bytes N] [--mutable-every N] [--expired N]
//
// Each share is alone in its storage index: one file and one directory. Its one lease ends within
// 31 days from now, or has ended for the first --expired of them. Nothing is synced. A node must
// not run on the directory.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <thread>
#include <vector>

#include "backends/core/lease.h"
#include "backends/core/storage_index.h"
#include "backends/share_file/layout.h"
#include "backends/share_file/leases.h"

namespace {

using namespace sharestore;  // a program, not a library

struct Plan {
  std::string directory;
  std::uint64_t shares = 1'000'000;
  std::uint64_t bytes = 1000;
  std::uint64_t mutable_every = 10;
  std::uint64_t expired = 0;
  std::int64_t now = std::time(nullptr);
};

[[noreturn]] void die(const std::string& what) {
  fmt::print(stderr, "make_shares: {}: {}\n", what, std::generic_category().message(errno));
  std::exit(1);
}

std::uint64_t mix(std::uint64_t z) {
  z += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

// Consecutive numbers fall into one prefix after the other, so that each directory is filled while
// it is in memory.
StorageIndex index_of(std::uint64_t n, const Plan& plan) {
  const std::uint64_t prefix = n * 1024 / plan.shares;
  std::array<unsigned char, StorageIndex::kBytes> bytes{};
  for (std::size_t i = 0; i < 2; ++i) {
    const std::uint64_t word = mix(n * 2 + i);
    std::memcpy(bytes.data() + i * 8, &word, 8);
  }
  bytes[0] = static_cast<unsigned char>(prefix >> 2);
  bytes[1] = static_cast<unsigned char>((bytes[1] & 0x3f) | (prefix & 3) << 6);
  return StorageIndex(bytes);
}

std::string share_file(std::uint64_t n, const Plan& plan) {
  constexpr std::int64_t kPeriod = 31 * 86400;
  Lease lease;
  lease.owner = 1;
  // Spread over the prefixes, so that a pass over them meets every directory.
  const bool is_expired = mix(n ^ 0x5eed) % plan.shares < plan.expired;
  const auto spread = static_cast<std::int64_t>(mix(n) % (kPeriod - 86400));
  lease.expires_at = is_expired ? plan.now - 86400 - spread : plan.now + 86400 + spread;
  // Of the secrets that sharestore-load presents, so that it can renew them.
  lease.renew_digest = blake2b_256(std::string(32, 'r'));
  lease.cancel_digest = blake2b_256(std::string(32, 'c'));
  const std::string data(plan.bytes, static_cast<char>('a' + n % 26));
  if (plan.mutable_every == 0 || n % plan.mutable_every != 0) {
    return encode_immutable_header(2, plan.bytes, 1) + data + encode_immutable_lease(lease);
  }
  MutableLeaseRecords records{std::string(kMutableLeaseSlots * kMutableLeaseBytes, '\0'), {}};
  merge_mutable_leases(2, NodeId{}, {{lease, {}}}, records);
  std::string file = encode_mutable_header(2, NodeId{}, std::string(32, 'W'), plan.bytes,
                                           kMutableDataOffset + plan.bytes);
  file.replace(kMutableSlotsOffset, records.slots.size(), records.slots);
  return file + data + put_u32(0);
}

void make_one(std::uint64_t n, const Plan& plan) {
  const std::string index = index_of(n, plan).to_text();
  const std::string directory = plan.directory + "/shares/" + index.substr(0, 2) + "/" + index;
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) die(directory);
  const std::string path = directory + "/0";
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) die(path);
  const std::string content = share_file(n, plan);
  if (::write(fd, content.data(), content.size()) != static_cast<ssize_t>(content.size())) {
    die(path);
  }
  ::close(fd);
}

void make_prefixes(const Plan& plan) {
  for (const std::string& path : {plan.directory, plan.directory + "/shares"}) {
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) die(path);
  }
  for (std::uint64_t prefix = 0; prefix < 1024; ++prefix) {
    Plan all;
    all.shares = 1024;
    const std::string path = plan.directory + "/shares/" + index_of(prefix, all).prefix();
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) die(path);
  }
}

}  // namespace

int main(int argc, char** argv) {
  Plan plan;
  CLI::App app("Fills a storage directory with share files");
  app.add_option("STORAGE_DIR", plan.directory)->required();
  app.add_option("--shares", plan.shares)->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--bytes", plan.bytes, "data of each share")->capture_default_str();
  app.add_option("--mutable-every", plan.mutable_every, "0: none")->capture_default_str();
  app.add_option("--expired", plan.expired, "about so many leases have ended")
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  make_prefixes(plan);
  const auto begun = std::chrono::steady_clock::now();
  const unsigned threads = std::max(1U, std::thread::hardware_concurrency());
  std::vector<std::thread> makers;
  for (unsigned t = 0; t < threads; ++t) {
    makers.emplace_back([&plan, t, threads] {
      const std::uint64_t end = plan.shares * (t + 1) / threads;
      for (std::uint64_t n = plan.shares * t / threads; n < end; ++n) make_one(n, plan);
    });
  }
  for (std::thread& maker : makers) maker.join();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  fmt::print("{} shares in {:.1f} s\n", plan.shares, took.count());
  return 0;
}
