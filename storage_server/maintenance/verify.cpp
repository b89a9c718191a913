#include "storage_server/maintenance/verify.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "storage_server/shares/row_comparison.h"
#include "storage_server/shares/slots.h"

namespace sharestore {

namespace {

constexpr std::string_view kAlphabet = "234567abcdefghijklmnopqrstuvwxyz";  // in order of ASCII
constexpr std::uint64_t kPrefixes = kAlphabet.size() * kAlphabet.size();

bool is_beginning(std::string_view text) {
  return text.size() <= StorageIndex::kTextChars &&
         text.find_first_not_of(kAlphabet) == std::string_view::npos;
}

bool in_scope(const StorageIndex& index, const VerifyOptions& options) {
  return options.scope.size() <= 2 || index.to_text().starts_with(options.scope);
}

std::vector<std::string> prefixes_in_scope(const VerifyOptions& options) {
  std::vector<std::string> prefixes = storage_index_prefixes();
  const std::string scope = options.scope.substr(0, 2);
  std::erase_if(prefixes, [&](const std::string& prefix) {
    return !prefix.starts_with(scope) || prefix < options.from;
  });
  return prefixes;
}

bool is_kept(const ShareRow& row) {
  return row.state == ShareState::present || row.state == ShareState::unread;
}

void count(const ShareFault& fault, VerifyReport& report) {
  ++report.faults[static_cast<std::size_t>(fault.kind)];
  report.repaired += fault.repaired ? 1 : 0;
  if (report.findings.size() < Verify::kMaxFindings) report.findings.push_back(fault);
}

}  // namespace

std::vector<std::string> storage_index_prefixes() {
  std::vector<std::string> prefixes;
  for (const char first : kAlphabet) {
    for (const char second : kAlphabet) prefixes.push_back({first, second});
  }
  return prefixes;
}

std::uint64_t VerifyReport::fault_count() const {
  return std::accumulate(faults.begin(), faults.end(), std::uint64_t{0});
}

Task<VerifyReport> Verify::run(
    VerifyOptions options,
    std::function<boost::asio::awaitable<bool>(const VerifyProgress&)> on_progress) {
  if (!is_beginning(options.scope)) {
    co_return fail(Errc::invalid_argument,
                   "'" + options.scope +
                       "' is not the beginning of a storage index; expected at "
                       "most 26 of the characters a-z and 2-7");
  }
  if (!options.from.empty() && (options.from.size() != 2 || !is_beginning(options.from))) {
    co_return fail(Errc::invalid_argument, "'" + options.from +
                                               "' is no place to go on from; expected the two "
                                               "characters that the last report named");
  }
  VerifyReport report;
  if (options.scope.empty() && options.from.empty()) {
    auto damage = co_await index_.check();
    if (!damage) co_return fail(damage.error());
    report.index_damage = std::move(*damage);
    // What such an index says of shares means nothing.
    if (!report.index_damage.empty()) co_return report;
  }
  const std::vector<std::string> prefixes = prefixes_in_scope(options);
  // So that what was answered before has its row. Where the index is full, examine() knows it.
  (void)co_await index_.sync();
  for (std::size_t done = 0; done < prefixes.size(); ++done) {
    const auto rebuild = index_.rebuild_state();
    if (!rebuild) co_return fail(rebuild.error());
    if (rebuild->has_value()) {
      co_return fail(Errc::conflict,
                     "the index is being rebuilt from the shares; verify when that has ended");
    }
    const Monotonic begun = clock_.now();
    auto verified = co_await verify_prefix(prefixes[done], options, report);
    if (!verified) co_return fail(verified.error().with_context("prefix " + prefixes[done]));
    report.next = done + 1 < prefixes.size() ? prefixes[done + 1] : "";
    report.complete = report.next.empty();
    if (!co_await on_progress({done + 1, prefixes.size(), report})) break;
    if (options.paced && !report.complete) {
      co_await clock_.sleep_until(clock_.now() + (clock_.now() - begun));
    }
  }
  if (options.repair) {
    auto asked = co_await ask_again(options, report);
    if (!asked) co_return fail(asked.error());
  }
  co_return report;
}

std::size_t Verify::page_size() const {
  const IndexTotals totals = index_.totals();
  const std::uint64_t shares = totals.immutable_shares + totals.mutable_shares;
  // An eighth more, and some, for chance.
  const std::uint64_t expected = shares / kPrefixes * 9 / 8 + 8;
  return static_cast<std::size_t>(std::min<std::uint64_t>(expected, kMaxPageShares));
}

Task<void> Verify::verify_prefix(const std::string& prefix, const VerifyOptions& options,
                                 VerifyReport& report) {
  Suspects suspects;
  auto stored = co_await look_in_store(prefix, options, report, suspects);
  if (!stored) co_return fail(stored.error());
  auto looked = co_await look_in_index(prefix, options, *stored, report, suspects);
  if (!looked) co_return looked;
  for (auto& [storage_index, numbers] : suspects) {
    auto faults =
        co_await store_.examine(context(), storage_index, std::move(numbers), options.repair);
    if (!faults) co_return fail(faults.error());
    for (const ShareFault& fault : *faults) count(fault, report);
  }
  co_return Status{};
}

Task<std::set<ShareId>> Verify::look_in_store(const std::string& prefix,
                                              const VerifyOptions& options, VerifyReport& report,
                                              Suspects& suspects) {
  std::set<ShareId> stored;
  ScanCursor cursor{prefix};
  for (bool done = false; !done;) {
    auto page = co_await backend_.scan(context(), cursor, page_size());
    if (!page) co_return fail(page.error());
    for (const ScannedShare& scanned : page->shares) {
      const StorageIndex& index = scanned.share.storage_index;
      if (index.prefix() != prefix) {
        done = true;
        break;
      }
      if (!in_scope(index, options)) continue;
      ++report.stored_shares;
      stored.insert(scanned.share);
      auto suspect = is_suspect(scanned);
      if (!suspect) co_return fail(suspect.error());
      if (*suspect) suspects[index].push_back(scanned.share.number);
    }
    done = done || page->finished;
    cursor = std::move(page->next);
  }
  co_return stored;
}

Result<bool> Verify::is_suspect(const ScannedShare& scanned) {
  auto slot = index_.find(scanned.share.storage_index);
  if (!slot) return fail(slot.error());
  const auto row = std::ranges::find_if(
      slot->shares, [&](const ShareRow& one) { return one.info.number == scanned.share.number; });
  if (!scanned.damage.empty() || row == slot->shares.end() || !is_kept(*row)) return true;
  if (scanned.info && !difference_of(*row, *scanned.info).empty()) return true;
  if (scanned.info && backend_.traits().keeps_leases) {
    return unexplained_bytes(*scanned.info, scanned.leases.size()) > 0;
  }
  return row->info.stored_bytes != scanned.stored_bytes;
}

Task<void> Verify::look_in_index(const std::string& prefix, const VerifyOptions& options,
                                 const std::set<ShareId>& stored, VerifyReport& report,
                                 Suspects& suspects) {
  const auto first = first_of_prefix(prefix);
  if (!first) co_return fail(Errc::invalid_argument, "not a prefix: " + prefix);
  std::optional<ShareId> after = IndexInspect::before(*first);
  while (after) {
    auto page = index_.rows(after, page_size());
    if (!page) co_return fail(page.error());
    after = page->next;
    for (const IndexRow& row : page->rows) {
      if (row.storage_index.prefix() != prefix) co_return Status{};
      if (!in_scope(row.storage_index, options) || !is_kept(row.row)) continue;
      ++report.indexed_shares;
      const ShareId share{row.storage_index, row.row.info.number};
      if (!stored.contains(share)) suspects[row.storage_index].push_back(share.number);
    }
  }
  co_return Status{};
}

Task<void> Verify::ask_again(const VerifyOptions& options, VerifyReport& report) {
  const auto is_open = [](const ShareFault& fault) {
    return fault.kind == FaultKind::missing && !fault.repaired;
  };
  if (std::ranges::none_of(report.findings, is_open)) co_return Status{};
  co_await clock_.sleep_until(clock_.now() + Slots::kMissingGrace);
  for (ShareFault& finding : report.findings) {
    if (!is_open(finding)) continue;
    auto faults = co_await store_.examine(context(), finding.share.storage_index,
                                          {finding.share.number}, options.repair);
    if (!faults) co_return fail(faults.error());
    const bool is_left = std::ranges::any_of(*faults, [&](const ShareFault& fault) {
      return fault.share == finding.share && !fault.repaired;
    });
    finding.repaired = !is_left;
    report.repaired += finding.repaired ? 1 : 0;
  }
  co_return Status{};
}

}  // namespace sharestore
