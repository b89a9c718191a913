// Compares the index with the backend, in both directions, while the node serves or on a stopped
// directory; mends the index and sets damaged shares aside where that is wanted.
//
// Works prefix by prefix (the first two characters of a storage index), so that memory is bounded
// by the shares of one prefix, a thousandth of all, and a run that ended early goes on where it
// was. What looks wrong is looked at again under its slot's lock, so that requests in between raise
// no alarm.
//
// Threads: one executor of one thread. Ownership: index, backend and store outlive it.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "backends/backend.h"
#include "backends/core/clock.h"
#include "storage_server/index/full_index.h"
#include "storage_server/shares/share_store.h"

namespace sharestore {

struct VerifyOptions {
  // The beginning of storage indexes to look at, or a whole one; empty: all.
  std::string scope;
  // Begin at this prefix: `next` of a report; empty: at the first.
  std::string from;
  bool repair = false;
  // Rests as long as it works, so that requests come first.
  bool paced = false;
};

struct VerifyReport {
  // Everything in scope was looked at. Otherwise `next` says where to go on.
  bool complete = false;
  std::string next;
  std::uint64_t stored_shares = 0;   // seen in the backend
  std::uint64_t indexed_shares = 0;  // seen in the index, lost ones not counted
  std::array<std::uint64_t, kFaultKinds> faults{};
  std::uint64_t repaired = 0;
  // What the index's own full check says, where everything is in scope.
  std::vector<std::string> index_damage;
  // The first kMaxFindings of them.
  std::vector<ShareFault> findings;

  std::uint64_t fault_count() const;
};

struct VerifyProgress {
  std::size_t prefixes_done = 0;
  std::size_t prefixes = 0;
  const VerifyReport& report;
};

class Verify {
 public:
  Verify(Backend& backend, FullIndex& index, ShareStore& store, Clock& clock)
      : backend_(backend), index_(index), store_(store), clock_(clock) {}

  // After each prefix `on_progress` is told and says whether to go on. With repair, shares that are
  // missing are asked for again when the rest is done: only then they count as lost.
  // invalid_argument: scope or from is not the beginning of a storage index. conflict: the index is
  // being rebuilt. Others: those of backend and index; what was mended stays mended.
  Task<VerifyReport> run(
      VerifyOptions options,
      std::function<boost::asio::awaitable<bool>(const VerifyProgress&)> on_progress);

  static constexpr std::size_t kMaxFindings = 10'000;
  static constexpr std::size_t kMaxPageShares = 512;

 private:
  using Suspects = std::map<StorageIndex, std::vector<ShareNumber>>;

  Task<void> verify_prefix(const std::string& prefix, const VerifyOptions& options,
                           VerifyReport& report);
  Task<std::set<ShareId>> look_in_store(const std::string& prefix, const VerifyOptions& options,
                                        VerifyReport& report, Suspects& suspects);
  Task<void> look_in_index(const std::string& prefix, const VerifyOptions& options,
                           const std::set<ShareId>& stored, VerifyReport& report,
                           Suspects& suspects);
  Result<bool> is_suspect(const ScannedShare& scanned);
  Task<void> ask_again(const VerifyOptions& options, VerifyReport& report);
  // About what a prefix holds, so that a page reaches little into the next one.
  std::size_t page_size() const;
  OpContext context() const { return {clock_, clock_.now() + kStepBudget}; }

  static constexpr std::chrono::minutes kStepBudget{5};

  Backend& backend_;
  FullIndex& index_;
  ShareStore& store_;
  Clock& clock_;
};

// "a2", …: all beginnings of two characters in order of the text.
std::vector<std::string> storage_index_prefixes();

}  // namespace sharestore
