#include "backends/disk/slot_versions.h"

#include <fcntl.h>

#include <algorithm>
#include <set>
#include <utility>

#include "backends/disk/slot_prepare.h"

namespace sharestore {
namespace {

// A share as it is, or that there is none.
struct Found {
  FileMark mark;
  std::vector<std::byte> file;
  // It is larger than what the log takes.
  bool is_large = false;
};

Result<Found> find_share(DiskParts& parts, ShareId share) {
  Found found;
  if (const auto recent = parts.recent.find(share)) {
    const Bytes content = recent->content();
    if (!content.empty()) {
      found.mark = recent->mark();
      found.file.assign(content.span().begin(), content.span().end());
      return found;
    }
    // It has just become a file, whose bytes the system still has in memory.
  }
  auto open = open_share_file(parts.files, parts.layout, share, O_RDONLY);
  if (!open && open.error().code() == Errc::not_found) return found;
  if (!open) return fail(open.error());
  found.is_large = open->header.file_bytes > kMaxLoggedFileBytes;
  if (found.is_large) return found;
  found.file.resize(open->header.file_bytes);
  if (Status ok = open->file.read(0, found.file); !ok) return fail(ok.error());
  found.mark = mark_of(open->header, found.file);
  return found;
}

Result<SlotPlan> plan_of(DiskParts& parts, const SlotCommit& commit, const ShareChange& change,
                         const Found& found, bool must_exist) {
  const ShareId share{commit.storage_index, change.number};
  if (!found.mark.there) {
    if (must_exist) return fail(Errc::not_found, share.to_text() + ": no such share");
    if (Status ok = check_slot_is_mutable(parts, commit.storage_index); !ok) {
      return fail(ok.error());
    }
    return plan_new_share(change, commit.write_enabler.reveal(), parts.node_id);
  }
  const auto before = load_mutable_container(reader_over(found.file), found.file.size());
  if (!before && before.error().code() == Errc::conflict) {
    return fail(Errc::conflict, share.to_text() + " is immutable");
  }
  if (!before) return fail(before.error().with_context(share.to_text()));
  return plan_change(*before, change, parts.node_id);
}

}  // namespace

bool may_be_logged(const SlotCommit& commit) {
  return std::ranges::all_of(commit.changes, [](const ShareChange& change) {
    return !change.remove &&
           std::ranges::all_of(change.writes, [](const ShareChange::Write& write) {
             return write.offset <= kMaxLoggedFileBytes &&
                    write.data->size() <= kMaxLoggedFileBytes - write.offset;
           });
  });
}

bool is_in_memory(DiskParts& parts, const SlotCommit& commit) {
  return std::ranges::all_of(commit.changes, [&](const ShareChange& change) {
    return parts.recent.find({commit.storage_index, change.number}) &&
           std::ranges::all_of(change.writes, [](const ShareChange::Write& write) {
             return write.data->in_memory().has_value();
           });
  });
}

Result<std::optional<SlotVersions>> prepare_versions(DiskParts& parts, const SlotCommit& commit,
                                                     bool must_exist) {
  SlotVersions made;
  std::set<ShareNumber> numbers;
  for (const ShareChange& change : commit.changes) {
    if (!numbers.insert(change.number).second) {
      return fail(Errc::invalid_argument, "two changes of one share in a slot commit");
    }
    const ShareId share{commit.storage_index, change.number};
    auto found = find_share(parts, share);
    if (!found) return fail(found.error());
    if (found->is_large) return std::nullopt;
    const auto plan = plan_of(parts, commit, change, *found, must_exist);
    if (!plan) return fail(plan.error());
    const ShareHeader& header = plan->after.header;
    if (header.file_bytes > kMaxLoggedFileBytes) return std::nullopt;
    made.after.push_back(to_share_info(share.number, header));
    if (plan->empty()) continue;
    const FileMark before = found->mark;
    if (Status ok = apply_in_memory(*plan, found->file); !ok) return fail(ok.error());
    made.versions.push_back(
        {share,
         std::make_shared<RecentVersion>(Bytes(std::move(found->file)), header, share.number),
         before});
  }
  std::ranges::sort(made.after, {}, &ShareInfo::number);
  return made;
}

}  // namespace sharestore
