// Completing what the journal holds after a stop of any kind.
#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "backends/disk/intent.h"
#include "backends/disk/slot_commit.h"

namespace sharestore {
namespace {

// Names from an intent stay within pending/.
bool is_plain_name(std::string_view name) {
  return !name.empty() && name.front() != '.' && name.find('/') == std::string_view::npos;
}

Status redo(DiskParts& parts, ShareId share, const ReadAt& record, std::uint64_t bytes) {
  auto target = File::open(parts.files, parts.layout.share(share), O_RDWR, share.to_text());
  // Another program may have removed the share since; then there is nothing to repeat.
  if (!target && target.error().code() == Errc::not_found) return {};
  if (!target) return fail(target.error());
  if (Status ok = apply_redo(record, bytes, *target); !ok) {
    return fail(ok.error().with_context(share.to_text()));
  }
  const int synced = parts.files.sync_data(target->fd());
  if (synced < 0) return fail(file_error(synced, "sync of " + share.to_text()));
  return {};
}

Status complete(DiskParts& parts, ShareId share, const IntentAction& action) {
  const std::string pending = parts.layout.pending() + "/" + action.detail;
  switch (action.kind) {
    case IntentAction::Kind::remove: return unlink_share(parts.files, parts.layout, share);
    case IntentAction::Kind::redo_inline: {
      return redo(parts, share, reader_over(as_byte_span(action.detail)), action.detail.size());
    }
    case IntentAction::Kind::redo_file: {
      if (!is_plain_name(action.detail)) return fail(Errc::corrupt, "a damaged intent");
      auto file = File::open(parts.files, pending, O_RDONLY, "redo record of " + share.to_text());
      if (!file) return fail(Errc::corrupt, file.error().message());
      const auto bytes = file->size();
      if (!bytes) return fail(bytes.error());
      return redo(parts, share, file->reader(), *bytes);
    }
    case IntentAction::Kind::move: {
      if (!is_plain_name(action.detail)) return fail(Errc::corrupt, "a damaged intent");
      if (Status ok = make_share_directories(parts.files, parts.layout, share.storage_index); !ok) {
        return ok;
      }
      const int result = parts.files.rename(pending, parts.layout.share(share));
      // Gone from pending/: it was moved before the stop.
      if (result < 0 && result != -ENOENT) return fail(file_error(result, share.to_text()));
      return {};
    }
  }
  return fail(Errc::corrupt, "a damaged intent");
}

Status complete_intent(DiskParts& parts, const Intent& intent) {
  auto actions = decode_intent(intent.body);
  if (!actions) return fail(actions.error());
  // Removals last: a directory that they empty goes, and must not be needed again.
  std::partition(actions->begin(), actions->end(), [](const IntentAction& action) {
    return action.kind != IntentAction::Kind::remove;
  });
  for (const IntentAction& action : *actions) {
    const ShareId share{intent.storage_index, action.number};
    if (Status ok = complete(parts, share, action); !ok) return ok;
  }
  DurableFiles::Change change;
  change.directories = share_directories(parts.layout, intent.storage_index);
  return parts.durable.commit_now(std::move(change));
}

}  // namespace

Task<void> complete_disk_intents(DiskParts& parts) {
  const auto intents = parts.journal.intents();
  if (!intents) co_return fail(intents.error());
  for (const Intent& intent : *intents) {
    if (!is_disk_intent(intent.body)) continue;
    Status done =
        co_await parts.pool.run([&parts, intent] { return complete_intent(parts, intent); });
    if (!done) {
      co_return fail(
          done.error().with_context("completing a change of " + intent.storage_index.to_text()));
    }
    if (Status dropped = co_await parts.journal.drop_intent(intent.id); !dropped) {
      co_return dropped;
    }
  }
  co_return Status{};
}

}  // namespace sharestore
