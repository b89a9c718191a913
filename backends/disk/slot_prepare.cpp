#include "backends/disk/slot_prepare.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <utility>

namespace sharestore {
namespace {

using Action = PreparedChange::Action;

// Up to so many changed bytes are written twice (record, then place) rather than a large file once.
constexpr std::uint64_t kMaxRedoBytes = std::uint64_t{64} << 20;
// A redo record up to this goes into the intent row.
constexpr std::uint64_t kInlineRedoBytes = 32 * 1024;
// The header lies within the first sector of the file, which reaches the disk whole or not at all.
static_assert(kMutableDataOffset <= 512);

bool within_header(const SlotPlan& plan, std::uint64_t file_bytes_before) {
  return plan.after.header.file_bytes == file_bytes_before &&
         std::all_of(plan.edits.begin(), plan.edits.end(), [](const FileEdit& edit) {
           return edit.source && edit.offset + edit.length <= kMutableDataOffset;
         });
}

class Preparer {
 public:
  Preparer(DiskParts& parts, const SlotCommit& commit, bool must_exist)
      : parts_(parts), commit_(commit), must_exist_(must_exist) {}

  Result<std::vector<PreparedChange>> run() {
    std::set<ShareNumber> numbers;
    std::vector<PreparedChange> prepared;
    for (const ShareChange& change : commit_.changes) {
      if (!numbers.insert(change.number).second) {
        return fail(Errc::invalid_argument, "two changes of one share in a slot commit");
      }
      auto one = prepare(change);
      if (!one) return fail(one.error());
      prepared.push_back(std::move(*one));
    }
    std::sort(prepared.begin(), prepared.end(),
              [](const auto& a, const auto& b) { return a.share.number < b.share.number; });
    return prepared;
  }

 private:
  Result<PreparedChange> prepare(const ShareChange& change) {
    PreparedChange out;
    out.share = {commit_.storage_index, change.number};
    if (change.remove) return prepare_removal(std::move(out));
    auto old = open_share_file(parts_.files, parts_.layout, out.share, O_RDWR);
    if (!old && old.error().code() == Errc::not_found && !must_exist_) {
      return prepare_new(std::move(out), change);
    }
    if (!old) return fail(old.error());
    if (old->header.kind != ShareKind::mutable_slot) {
      return fail(Errc::conflict, out.share.to_text() + " is immutable");
    }
    return prepare_change(std::move(out), change, std::move(old->file), old->header.file_bytes);
  }

  Result<PreparedChange> prepare_removal(PreparedChange out) {
    FileStat there;
    const int result = parts_.files.stat(parts_.layout.share(out.share), there);
    if (result == -ENOENT || result == -ENOTDIR) return out;
    if (result < 0) return fail(file_error(result, out.share.to_text()));
    out.action = Action::remove;
    return out;
  }

  Result<PreparedChange> prepare_new(PreparedChange out, const ShareChange& change) {
    if (Status ok = check_slot_is_mutable(parts_, commit_.storage_index); !ok) {
      return fail(ok.error());
    }
    const auto plan = plan_new_share(change, commit_.write_enabler.reveal(), parts_.node_id);
    if (!plan) return fail(plan.error());
    auto version = create_pending(parts_, out.share);
    if (!version) return fail(version.error());
    out.version = std::move(*version);
    return replace(std::move(out), *plan, {});
  }

  Result<PreparedChange> prepare_change(PreparedChange out, const ShareChange& change, File file,
                                        std::uint64_t bytes_before) {
    const auto before = load_mutable_container(file.reader(), bytes_before);
    if (!before) return fail(before.error().with_context(out.share.to_text()));
    const auto plan = plan_change(*before, change, parts_.node_id);
    if (!plan) return fail(plan.error());
    out.after = to_share_info(out.share.number, plan->after.header);
    if (plan->empty()) return out;
    const bool header_only = within_header(*plan, bytes_before);
    if (bytes_before > kSmallFileBytes) {
      if (header_only) return in_place(std::move(out), *plan, std::move(file), Action::header);
      return prepare_large(std::move(out), *plan, std::move(file), bytes_before);
    }
    auto replaced = replace_small(std::move(out), *plan, file, bytes_before);
    if (replaced || replaced.error().code() != Errc::no_space || !header_only) return replaced;
    // On a full disk there is no room for a new version, and shrinking must work all the same.
    PreparedChange shrunk;
    shrunk.share = {commit_.storage_index, change.number};
    shrunk.after = to_share_info(change.number, plan->after.header);
    return in_place(std::move(shrunk), *plan, std::move(file), Action::header);
  }

  Result<PreparedChange> prepare_large(PreparedChange out, const SlotPlan& plan, File file,
                                       std::uint64_t bytes_before) {
    if (!parts_.cannot_clone) {
      auto version = create_pending(parts_, out.share);
      if (!version) return fail(version.error());
      if (parts_.files.clone(file.fd(), version->file.fd()) >= 0) {
        out.version = std::move(*version);
        return replace(std::move(out), plan, {});
      }
      parts_.cannot_clone = true;
    }
    const std::uint64_t payload = plan.payload_bytes();
    if (payload <= kMaxRedoBytes && payload <= bytes_before / 2 &&
        parts_.gate.begin_change(out.share)) {
      out.gate = GateChange(parts_.gate, out.share);
      return in_place(std::move(out), plan, std::move(file), Action::in_place);
    }
    auto version = create_pending(parts_, out.share);
    if (!version) return fail(version.error());
    out.version = std::move(*version);
    if (Status ok = out.version.file.copy_from(file); !ok) return fail(ok.error());
    return replace(std::move(out), plan, {});
  }

  // A small share is put together in memory and written once.
  Result<PreparedChange> replace_small(PreparedChange out, const SlotPlan& plan, const File& file,
                                       std::uint64_t bytes_before) {
    auto version = create_pending(parts_, out.share);
    if (!version) return fail(version.error());
    out.version = std::move(*version);
    std::vector<std::byte> old(bytes_before);
    if (Status ok = file.read(0, old); !ok) return fail(ok.error());
    return replace(std::move(out), plan, std::move(old));
  }

  // Brings `out.version`, which holds nothing or a copy of the file, to what the plan says. `old`
  // are the file's bytes where they are at hand.
  Result<PreparedChange> replace(PreparedChange out, const SlotPlan& plan,
                                 std::vector<std::byte> old) {
    const std::uint64_t bytes = plan.after.header.file_bytes;
    out.action = Action::replace;
    out.after = to_share_info(out.share.number, plan.after.header);
    if (!old.empty() && bytes <= kSmallFileBytes) {
      if (Status ok = apply_in_memory(plan, old); !ok) return fail(ok.error());
      if (Status ok = out.version.file.write(0, old); !ok) return fail(ok.error());
      return out;
    }
    if (Status ok = out.version.file.write(0, old); !ok) return fail(ok.error());
    if (Status ok = apply_edits(parts_.files, out.version.file, plan.edits, bytes); !ok) {
      return fail(ok.error());
    }
    if (bytes <= kSmallFileBytes) return out;
    // Not in the shared batch: it should not wait for one large file.
    const int synced = parts_.files.sync_data(out.version.file.fd());
    if (synced >= 0) return out;
    const Error error = file_error(synced, "sync of " + out.share.to_text());
    parts_.durable.poison(error.message());
    return fail(error);
  }

  Result<PreparedChange> in_place(PreparedChange out, const SlotPlan& plan, File file,
                                  Action action) {
    // Space first: once the intent is recorded there is no way back.
    for (const FileEdit& edit : plan.edits) {
      if (!edit.source) continue;
      const int result = parts_.files.reserve(file.fd(), edit.offset, edit.length);
      if (result < 0 && result != -EOPNOTSUPP && result != -ENOSYS) {
        return fail(file_error(result, out.share.to_text()));
      }
    }
    out.action = action;
    out.after = to_share_info(out.share.number, plan.after.header);
    out.target = std::move(file);
    out.edits = plan.edits;
    out.file_bytes = plan.after.header.file_bytes;
    return out;
  }

  DiskParts& parts_;
  const SlotCommit& commit_;
  const bool must_exist_;
};

}  // namespace

Status check_slot_is_mutable(DiskParts& parts, StorageIndex storage_index) {
  const auto check = [](ShareId share, ShareKind kind) -> Status {
    if (kind == ShareKind::mutable_slot) return {};
    return fail(Errc::conflict, share.to_text() + " is immutable");
  };
  if (const auto recent = parts.recent.find_any(storage_index)) {
    return check({storage_index, recent->info().number}, recent->info().kind);
  }
  std::vector<std::string> names;
  const int result = parts.files.list(parts.layout.index_directory(storage_index), names);
  if (result == -ENOENT) return {};
  if (result < 0) return fail(file_error(result, storage_index.to_text()));
  for (const std::string& name : names) {
    const auto number = share_number_of_name(name);
    if (!number) continue;
    const ShareId share{storage_index, *number};
    const auto open = open_share_file(parts.files, parts.layout, share, O_RDONLY);
    if (open) return check(share, open->header.kind);
  }
  return {};
}

Result<std::vector<PreparedChange>> prepare_slot(DiskParts& parts, const SlotCommit& commit,
                                                 bool must_exist) {
  return Preparer(parts, commit, must_exist).run();
}

Result<IntentAction> prepare_redo(DiskParts& parts, const PreparedChange& change,
                                  std::vector<PendingFile>& records) {
  std::uint64_t payload = 0;
  for (const FileEdit& edit : change.edits) payload += edit.source ? edit.length : 0;
  IntentAction action{IntentAction::Kind::redo_inline, change.share.number, {}};
  if (payload <= kInlineRedoBytes) {
    const RedoSink sink = [&](ByteSpan bytes) {
      action.detail.append(as_text(bytes));
      return Status{};
    };
    if (Status ok = write_redo(change.edits, change.file_bytes, sink); !ok) return fail(ok.error());
    return action;
  }
  auto record = create_pending(parts, change.share);
  if (!record) return fail(record.error());
  std::uint64_t at = 0;
  const RedoSink sink = [&](ByteSpan bytes) {
    Status ok = record->file.write(at, bytes);
    at += bytes.size();
    return ok;
  };
  if (Status ok = write_redo(change.edits, change.file_bytes, sink); !ok) return fail(ok.error());
  action.kind = IntentAction::Kind::redo_file;
  action.detail = record->path().substr(record->path().rfind('/') + 1);
  records.push_back(std::move(*record));
  return action;
}

}  // namespace sharestore
