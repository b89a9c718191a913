#include "backends/disk/disk_leases.h"

#include <fcntl.h>

#include <memory>
#include <utility>

#include "backends/disk/slot_commit.h"
#include "backends/share_file/leases.h"

namespace sharestore {
namespace {

// What is to be done for the leases of an immutable share; at most one of the last three.
struct LeaseChange {
  bool is_mutable = false;
  File renewed;         // renewals were written, to be synced
  PendingFile version;  // a whole new file
  std::vector<FileEdit> edits;
  std::uint64_t file_bytes = 0;
};

Result<Leases> load(DiskParts& parts, ShareId share) {
  const auto open = open_share_file(parts.files, parts.layout, share, O_RDONLY);
  if (!open) return fail(open.error());
  return load_leases(open->file.reader(), open->header);
}

FileEdit put_text(std::uint64_t offset, const std::string& text) {
  return {offset, text.size(), memory_source(Bytes::copy_of(text)), 0};
}

// The edits that append records: first the records, then their count.
std::vector<FileEdit> append_edits(const ShareHeader& header, const ImmutableLeasePlan& plan) {
  std::vector<FileEdit> edits;
  edits.reserve(plan.renewals.size() + 2);
  for (const ImmutableLeasePlan::Renewal& renewal : plan.renewals) {
    edits.push_back(put_text(renewal.file_offset, renewal.bytes));
  }
  edits.push_back(
      put_text(header.lease_offset + std::uint64_t{header.lease_count} * kImmutableLeaseBytes,
               plan.appended));
  edits.push_back(put_text(8, put_u32(plan.lease_count)));
  return edits;
}

Result<PendingFile> new_version(DiskParts& parts, ShareId share, const File& file,
                                const std::vector<FileEdit>& edits, std::uint64_t file_bytes) {
  auto bytes = read_whole(file, kSmallFileBytes);
  if (!bytes) return fail(bytes.error());
  auto version = create_pending(parts, share);
  if (!version) return fail(version.error());
  if (Status ok = version->file.write(0, *bytes); !ok) return fail(ok.error());
  if (Status ok = apply_edits(parts.files, version->file, edits, file_bytes); !ok) {
    return fail(ok.error());
  }
  return std::move(*version);
}

Result<LeaseChange> prepare(DiskParts& parts, ShareId share,
                            const std::vector<LeaseUpdate>& updates) {
  auto open = open_share_file(parts.files, parts.layout, share, O_RDWR);
  if (!open) return fail(open.error());
  LeaseChange change;
  const ShareHeader& header = open->header;
  change.is_mutable = header.kind == ShareKind::mutable_slot;
  if (change.is_mutable) return change;
  if (header.lease_count > kMaxLeasesPerShare) {
    return fail(Errc::corrupt, share.to_text() + ": too many leases");
  }
  std::string records(header.lease_count * kImmutableLeaseBytes, '\0');
  if (Status ok = open->file.read(header.lease_offset, std::as_writable_bytes(std::span(records)));
      !ok) {
    return fail(ok.error());
  }
  const ImmutableLeasePlan plan = plan_immutable_leases(header, records, updates);
  if (plan.empty()) return change;
  if (plan.appended.empty()) {
    for (const ImmutableLeasePlan::Renewal& renewal : plan.renewals) {
      if (Status ok = open->file.write(renewal.file_offset, as_byte_span(renewal.bytes)); !ok) {
        return fail(ok.error());
      }
    }
    change.renewed = std::move(open->file);
    return change;
  }
  change.file_bytes = immutable_file_bytes(header.data_bytes, plan.lease_count);
  change.edits = append_edits(header, plan);
  if (header.file_bytes > kSmallFileBytes) {
    const int room = parts.files.reserve(
        open->file.fd(), change.edits[change.edits.size() - 2].offset, plan.appended.size());
    if (room == -ENOSPC || room == -EDQUOT) return fail(file_error(room, share.to_text()));
    return change;
  }
  auto version = new_version(parts, share, open->file, change.edits, change.file_bytes);
  if (!version) return fail(version.error());
  change.version = std::move(*version);
  return change;
}

Task<void> commit_version(DiskParts& parts, ShareId share, PendingFile version) {
  const auto file = std::make_shared<PendingFile>(std::move(version));
  DurableFiles::Change change;
  change.files = {file->file.fd()};
  change.publish = [&parts, file, share]() -> Status {
    const int result = parts.files.rename(file->path(), parts.layout.share(share));
    if (result < 0) return fail(file_error(result, share.to_text()));
    file->keep();
    return {};
  };
  change.directories = {parts.layout.index_directory(share.storage_index)};
  co_return co_await parts.durable.commit(std::move(change));
}

}  // namespace

Task<Leases> load_disk_leases(DiskParts& parts, ShareId share) {
  if (Status entered = co_await parts.gate.enter(share); !entered) co_return fail(entered.error());
  const GatePass pass(parts.gate, share);
  co_return co_await parts.pool.run([&parts, share] { return load(parts, share); });
}

Task<void> store_disk_leases(DiskParts& parts, ShareId share, std::vector<LeaseUpdate> leases) {
  if (Status ok = parts.durable.writable(); !ok) co_return ok;
  if (Status ok = co_await parts.recent.retire(share); !ok) co_return ok;
  auto change =
      co_await parts.pool.run([&parts, share, &leases] { return prepare(parts, share, leases); });
  if (!change) co_return fail(change.error());
  if (change->is_mutable) {
    ShareChange merge;
    merge.number = share.number;
    merge.leases = std::move(leases);
    SlotCommit commit{share.storage_index, {}, {}};
    commit.changes.push_back(std::move(merge));
    const auto done = co_await commit_disk_slot(parts, std::move(commit), true);
    if (!done) co_return fail(done.error());
    co_return Status{};
  }
  if (change->renewed.is_open()) {
    DurableFiles::Change sync;
    sync.files = {change->renewed.fd()};
    co_return co_await parts.durable.commit(std::move(sync));
  }
  if (change->version.file.is_open()) {
    co_return co_await commit_version(parts, share, std::move(change->version));
  }
  if (change->edits.empty()) co_return Status{};
  co_return co_await change_in_place(parts, share, std::move(change->edits), change->file_bytes);
}

}  // namespace sharestore
