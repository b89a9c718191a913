#include "backends/disk/slot_commit.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include "backends/disk/slot_prepare.h"
#include "backends/disk/slot_versions.h"

namespace sharestore {
namespace {

using Action = PreparedChange::Action;

// Milliseconds that a lease waits for others who look at the same share's header.
constexpr int kMaxGateTries = 1000;

// Shared by the coroutine and the jobs it waits for.
struct Commit {
  SlotCommit request;
  std::vector<PreparedChange> changes;  // those with something to do
  std::vector<PendingFile> records;
};
using CommitPtr = std::shared_ptr<Commit>;

std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

bool changes_in_place(const PreparedChange& change) {
  return change.action == Action::in_place || change.action == Action::header;
}

// The name changes of a commit, on the committer's thread. Removals come last: a directory that
// they empty goes, and must not be needed again.
Status publish(DiskParts& parts, Commit& commit) {
  for (PreparedChange& change : commit.changes) {
    if (change.action != Action::replace) continue;
    Status ok = make_share_directories(parts.files, parts.layout, change.share.storage_index);
    if (!ok) return ok;
    const int result = parts.files.rename(change.version.path(), parts.layout.share(change.share));
    if (result < 0) return fail(file_error(result, change.share.to_text()));
    change.version.keep();
  }
  for (const PreparedChange& change : commit.changes) {
    if (change.action != Action::remove) continue;
    if (Status ok = unlink_share(parts.files, parts.layout, change.share); !ok) return ok;
  }
  return {};
}

Status write_in_place(DiskParts& parts, Commit& commit) {
  for (PreparedChange& change : commit.changes) {
    if (!changes_in_place(change)) continue;
    if (Status ok = apply_edits(parts.files, change.target, change.edits, change.file_bytes); !ok) {
      return ok;
    }
  }
  return {};
}

DurableFiles::Change names_change(DiskParts& parts, const CommitPtr& commit) {
  DurableFiles::Change change;
  for (const PreparedChange& one : commit->changes) {
    if (one.version.file.is_open()) change.files.push_back(one.version.file.fd());
    if (one.target.is_open()) change.files.push_back(one.target.fd());
  }
  change.publish = [&parts, commit] { return publish(parts, *commit); };
  change.directories = share_directories(parts.layout, commit->request.storage_index);
  return change;
}

// One header sector, all of it in one write.
Status write_header(const PreparedChange& change) {
  std::vector<std::byte> header(kShareHeaderBytes);
  if (Status ok = change.target.read(0, header); !ok) return ok;
  for (const FileEdit& edit : change.edits) {
    const MutableByteSpan place = std::span(header).subspan(edit.offset, edit.length);
    if (Status ok = edit.source->read(edit.source_offset, place); !ok) return ok;
  }
  return change.target.write(0, header);
}

Task<void> commit_single(DiskParts& parts, CommitPtr commit) {
  if (commit->changes.front().action == Action::header) {
    Status wrote =
        co_await parts.pool.run([commit] { return write_header(commit->changes.front()); });
    if (!wrote) co_return wrote;
  }
  co_return co_await parts.durable.commit(names_change(parts, commit));
}

// From the recorded intent on there is no way back: what fails is completed at the next start.
void break_off(DiskParts& parts, Commit& commit, const Error& error) {
  parts.durable.poison(fmt::format("a change of {} broke off: {}",
                                   commit.request.storage_index.to_text(), error.message()));
  for (PreparedChange& change : commit.changes) {
    change.version.keep();
    change.gate.break_off();
  }
  for (PendingFile& record : commit.records) record.keep();
}

Result<std::string> prepare_intent(DiskParts& parts, Commit& commit) {
  std::vector<IntentAction> actions;
  for (const PreparedChange& change : commit.changes) {
    if (change.action == Action::remove) {
      actions.push_back({IntentAction::Kind::remove, change.share.number, {}});
    } else if (change.action == Action::replace) {
      actions.push_back(
          {IntentAction::Kind::move, change.share.number, name_of(change.version.path())});
    } else {
      auto redo = prepare_redo(parts, change, commit.records);
      if (!redo) return fail(redo.error());
      actions.push_back(std::move(*redo));
    }
  }
  return encode_intent(actions);
}

// Makes every new byte durable under its name in pending/, and the directory it will go to.
Task<void> sync_new_bytes(DiskParts& parts, CommitPtr commit) {
  const StorageIndex index = commit->request.storage_index;
  DurableFiles::Change change;
  for (const PreparedChange& one : commit->changes) {
    if (!one.version.file.is_open()) continue;
    change.files.push_back(one.version.file.fd());
    change.publish = [&parts, index] {
      return make_share_directories(parts.files, parts.layout, index);
    };
    change.directories = share_directories(parts.layout, index);
  }
  for (const PendingFile& record : commit->records) change.files.push_back(record.file.fd());
  if (change.files.empty()) co_return Status{};
  change.directories.push_back(parts.layout.pending());
  co_return co_await parts.durable.commit(std::move(change));
}

Task<void> commit_by_intent(DiskParts& parts, CommitPtr commit) {
  auto body = co_await parts.pool.run([&parts, commit] { return prepare_intent(parts, *commit); });
  if (!body) co_return fail(body.error());
  if (Status synced = co_await sync_new_bytes(parts, commit); !synced) co_return synced;

  auto intent = co_await parts.journal.put_intent(commit->request.storage_index, std::move(*body));
  if (!intent) {
    // A row that may be there after all needs the files it names.
    if (!intent.error().outcome_known() || intent.error().code() == Errc::io_error) {
      break_off(parts, *commit, intent.error());
      co_return fail(Error(intent.error().code(), intent.error().message(), false));
    }
    co_return fail(intent.error());
  }

  Status done =
      co_await parts.pool.run([&parts, commit] { return write_in_place(parts, *commit); });
  if (done) done = co_await parts.durable.commit(names_change(parts, commit));
  if (!done) {
    break_off(parts, *commit, done.error());
    co_return fail(Error(Errc::io_error, done.error().message(), false));
  }
  const Status dropped = co_await parts.journal.drop_intent(*intent);
  // The change itself is durable. But were later ones acknowledged, the intent that stayed would
  // undo them at the next start.
  if (!dropped)
    parts.durable.poison("an intent could not be dropped: " + dropped.error().message());
  co_return Status{};
}

Task<void> run_commit(DiskParts& parts, CommitPtr commit) {
  if (commit->changes.empty()) co_return Status{};
  const bool single =
      commit->changes.size() == 1 && commit->changes.front().action != Action::in_place;
  Status done;
  if (single) {
    done = co_await commit_single(parts, commit);
  } else {
    done = co_await commit_by_intent(parts, commit);
  }
  co_return done;
}

// Nothing: the changes must go to their files at once.
Task<std::optional<std::vector<ShareInfo>>> commit_logged(DiskParts& parts, SlotCommit request,
                                                          bool must_exist) {
  if (!may_be_logged(request)) co_return std::nullopt;
  const auto prepare = [&parts, &request, must_exist] {
    return prepare_versions(parts, request, must_exist);
  };
  auto prepared = is_in_memory(parts, request) ? prepare() : co_await parts.pool.run(prepare);
  if (!prepared) co_return fail(prepared.error());
  if (!*prepared) co_return std::nullopt;
  SlotVersions& made = **prepared;
  if (!made.versions.empty()) {
    const auto logged = co_await parts.recent.commit(std::move(made.versions), request.recorded);
    if (!logged) co_return fail(logged.error());
    if (!*logged) co_return std::nullopt;
  }
  co_return std::move(made.after);
}

// What the log says of these shares is void from now on, and the journal knows what is coming.
Task<void> begin_unlogged(DiskParts& parts, const SlotCommit& request) {
  for (const ShareChange& change : request.changes) {
    Status ok = co_await parts.recent.retire({request.storage_index, change.number});
    if (!ok) co_return ok;
  }
  if (!request.recorded) co_return Status{};
  co_return co_await parts.journal.begin_slot_writes({request.storage_index});
}

}  // namespace

Task<std::vector<ShareInfo>> commit_disk_slot(DiskParts& parts, SlotCommit request,
                                              bool must_exist) {
  if (Status ok = parts.durable.writable(); !ok) co_return fail(ok.error());
  auto logged = co_await commit_logged(parts, request, must_exist);
  if (!logged) co_return fail(logged.error());
  if (*logged) co_return std::move(**logged);
  if (Status ok = co_await begin_unlogged(parts, request); !ok) co_return fail(ok.error());
  auto commit = std::make_shared<Commit>();
  commit->request = std::move(request);
  auto prepared = co_await parts.pool.run(
      [&parts, commit, must_exist] { return prepare_slot(parts, commit->request, must_exist); });
  if (!prepared) co_return fail(prepared.error());
  std::vector<ShareInfo> infos;
  for (PreparedChange& change : *prepared) {
    if (change.after) infos.push_back(*change.after);
    if (change.action != Action::nothing) commit->changes.push_back(std::move(change));
  }
  if (Status done = co_await run_commit(parts, commit); !done) co_return fail(done.error());
  co_return infos;
}

Task<void> change_in_place(DiskParts& parts, ShareId share, std::vector<FileEdit> edits,
                           std::uint64_t file_bytes) {
  if (Status ok = parts.durable.writable(); !ok) co_return ok;
  // Whoever just opens the share has it for a moment; a reader of an immutable one does not stay.
  for (int tries = 0; !parts.gate.begin_change(share); ++tries) {
    if (tries == kMaxGateTries) co_return fail(Errc::busy, share.to_text() + " is being read");
    co_await parts.clock.sleep_until(parts.clock.now() + std::chrono::milliseconds(1));
  }
  auto commit = std::make_shared<Commit>();
  commit->request.storage_index = share.storage_index;
  PreparedChange change;
  change.share = share;
  change.action = Action::in_place;
  change.edits = std::move(edits);
  change.file_bytes = file_bytes;
  change.gate = GateChange(parts.gate, share);
  auto file = co_await parts.pool.run([&parts, share] {
    return File::open(parts.files, parts.layout.share(share), O_RDWR, share.to_text());
  });
  if (!file) co_return fail(file.error());
  change.target = std::move(*file);
  commit->changes.push_back(std::move(change));
  co_return co_await run_commit(parts, commit);
}

}  // namespace sharestore
