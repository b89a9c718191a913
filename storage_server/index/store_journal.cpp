// Uploads under way, intents, advisories and named values.
#include "storage_server/index/store.h"

namespace sharestore::index_db {

void Store::begin_uploads(const StorageIndex& si, const std::vector<ShareNumber>& numbers,
                          std::uint64_t size_bytes, std::int64_t now) {
  for (const ShareNumber number : numbers) upload_put_.run(si, number, size_bytes, now);
}

void Store::finish_upload(const ShareId& share, const ShareInfo& info, const Lease& lease,
                          std::int64_t now) {
  const auto before = rows_.find(share);
  StoredShare after;
  after.storage_index = share.storage_index;
  // The leases of a share that was being removed had ended; those of a lost one still count.
  if (before && before->row.state != ShareState::going) {
    after.leases = before->leases;
    after.unsaved = before->unsaved;
    // Nobody uploads a share that is held: it was found, and its lease guessed, since its commit.
    if (is_listed(before->row.state)) std::erase_if(after.leases, is_starter);
  }
  after.row.info = info;
  after.row.info.number = share.number;
  after.row.state = ShareState::present;
  after.row.first_write = after.row.last_write = now;
  after.generation = generation_;
  if (make_room_for_lease(after, lease)) merge_lease(after.leases, lease);
  mark_unsaved(after, false);
  rows_.put(before ? &*before : nullptr, after);
  if (kept_outside_ == KeptOutside::in_batches) {
    removed_drop_.run(share.storage_index, share.number);
  }
  shared_.activity.upload = now;
  activity_changed_ = true;
}

void Store::drop_uploads(const StorageIndex& si, const std::vector<ShareNumber>& numbers) {
  for (const ShareNumber number : numbers) upload_drop_.run(si, number);
  auto left = upload_left_.query(si);
  if (!left.step()) staged_settled_.push_back(si);
}

Status Store::note_upload(const ShareId& share, const std::string& note) {
  upload_note_.run(share.storage_index, share.number, std::string_view(note));
  if (ok() && sqlite3_changes(connection_.handle()) == 0) {
    return fail(Errc::not_found, "no upload of " + share.to_text() + " is recorded");
  }
  return {};
}

std::uint64_t Store::put_intent(const StorageIndex& si, const std::string& body) {
  Statement statement(connection_, "insert into intent(si, body) values(?1, ?2)");
  statement.run(si, std::string_view(body));
  return static_cast<std::uint64_t>(sqlite3_last_insert_rowid(connection_.handle()));
}

void Store::drop_intent(std::uint64_t id) {
  Statement statement(connection_, "delete from intent where id=?1");
  statement.run(id);
}

void Store::add_advisory(const ShareId& share, const std::string& reason, std::int64_t now) {
  const std::string_view kept = std::string_view(reason).substr(0, kMaxAdvisoryReasonBytes);
  advisory_put_.run(share.storage_index, share.number, now, kept);
  advisory_trim_share_.run(share.storage_index, share.number,
                           std::uint64_t{kMaxAdvisoriesPerShare});
  advisory_trim_all_.run(std::uint64_t{kMaxAdvisories});
  ++staged_advisories_.advisories;
}

void Store::set_value(std::string_view name, std::string_view value) {
  value_set_.run(name, value);
}

}  // namespace sharestore::index_db
