// Taking up what an earlier run left in the redo log.
#include <fcntl.h>

#include <algorithm>
#include <set>
#include <utility>

#include "backends/core/log.h"
#include "backends/disk/disk_parts.h"
#include "backends/disk/recent_shares.h"
#include "backends/share_file/leases.h"
#include "backends/share_file/slot_plan.h"

namespace sharestore {
namespace {

// What lies under a share's name.
struct OnDisk {
  FileMark mark;
  std::vector<std::byte> file;
  // Of a file that is there: nothing if it is no sound share file.
  std::optional<ShareHeader> header;
};

Result<OnDisk> look_at(DiskParts& parts, ShareId share) {
  OnDisk found;
  auto file = File::open(parts.files, parts.layout.share(share), O_RDONLY, share.to_text());
  if (!file && file.error().code() == Errc::not_found) return found;
  if (!file) return fail(file.error());
  found.mark.there = true;
  auto bytes = read_whole(*file, kMaxLoggedFileBytes);
  // A larger file is nothing that was logged.
  if (!bytes && bytes.error().code() == Errc::too_large) {
    found.mark.data_bytes = kMaxLoggedFileBytes + 1;
    found.header.emplace();
    return found;
  }
  if (!bytes) return fail(bytes.error());
  found.file = std::move(*bytes);
  if (auto header = load_share_header(reader_over(found.file), found.file.size())) {
    found.header = *header;
    found.mark = mark_of(*header, found.file);
  }
  return found;
}

// The version with what the file has of leases besides: another program may have renewed some.
Result<std::shared_ptr<RecentVersion>> with_leases_of(const OnDisk& found, const Bytes& content,
                                                      ShareNumber number, const NodeId& node_id) {
  std::vector<std::byte> file(content.span().begin(), content.span().end());
  auto header = load_share_header(reader_over(file), file.size());
  if (!header) return fail(header.error());
  if (found.header && header->kind == ShareKind::mutable_slot) {
    const auto leases = load_leases(reader_over(found.file), *found.header);
    if (!leases) return fail(leases.error());
    ShareChange merge;
    merge.number = number;
    for (const Lease& lease : *leases) merge.leases.push_back({lease, {}});
    const auto container = load_mutable_container(reader_over(file), file.size());
    if (!container) return fail(container.error());
    const auto plan = plan_change(*container, merge, node_id);
    if (!plan) return fail(plan.error());
    if (Status ok = apply_in_memory(*plan, file); !ok) return fail(ok.error());
    header = plan->after.header;
  }
  return std::make_shared<RecentVersion>(Bytes(std::move(file)), *header, number);
}

}  // namespace

std::map<ShareId, RecentShares::Found> RecentShares::newest_of(std::vector<RedoBatch> batches) {
  std::map<ShareId, Found> newest;
  for (RedoBatch& batch : batches) {
    for (RedoRecord& record : batch.records) {
      const ShareId share = record.share;
      if (const auto older = newest.find(share); older != newest.end()) {
        log_.release(older->second.batch);
        newest.erase(older);
      }
      if (record.content) newest[share] = {batch.number, std::move(record)};
    }
  }
  return newest;
}

Status RecentShares::take_up(const std::map<ShareId, Found>& newest) {
  for (const auto& [share, found] : newest) {
    if (Status ok = take_up(share, found); !ok) {
      return fail(ok.error().with_context("the redo log, " + share.to_text()));
    }
  }
  return {};
}

Status RecentShares::take_up(ShareId share, const Found& found) {
  const Bytes& content = *found.record.content;
  const auto there = look_at(parts_, share);
  if (!there) return fail(there.error());
  auto version = with_leases_of(*there, content, share.number, parts_.node_id);
  if (!version) return fail(version.error());
  const bool is_made = there->mark == (*version)->mark();
  const bool is_expected =
      std::ranges::find(found.record.before, there->mark) != found.record.before.end();
  const bool is_damaged = there->mark.there && !there->header;
  if (is_damaged) {
    log::warning("share {} is damaged on disk; its version in the redo log replaces it",
                 share.to_text());
  } else if (!is_made && !is_expected) {
    log::warning(
        "share {} was changed by another program after this node had stopped; its version in the "
        "redo log is not used",
        share.to_text());
    log_.release(found.batch);
    return {};
  }
  // An immutable share comes here once: with its data are its leases, and perhaps later ones.
  const bool is_immutable = (*version)->info().kind == ShareKind::immutable;
  if (is_made && (is_immutable || as_text(there->file) == (*version)->content().text())) {
    log_.release(found.batch);
    return {};
  }
  const std::lock_guard lock(mutex_);
  entries_[share] = {std::move(*version), found.batch, nullptr, there->mark, std::nullopt};
  return {};
}

Task<void> RecentShares::recover() {
  auto batches = co_await parts_.pool.run([this] { return log_.recover(); });
  if (!batches) co_return fail(batches.error());
  std::set<StorageIndex> named;
  for (const RedoBatch& batch : *batches) {
    for (const RedoRecord& record : batch.records) named.insert(record.share.storage_index);
  }
  if (named.empty()) co_return Status{};
  Status done = co_await parts_.journal.begin_slot_writes({named.begin(), named.end()});
  if (!done) co_return done;
  const auto newest = newest_of(std::move(*batches));
  done = co_await parts_.pool.run([this, &newest] { return take_up(newest); });
  if (!done) co_return done;
  done = co_await settle_all();
  // They wait in memory until there is room.
  if (!done && done.error().code() == Errc::no_space) done = {};
  co_return done;
}

}  // namespace sharestore
