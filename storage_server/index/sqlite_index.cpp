#include "storage_server/index/sqlite_index.h"

#include <algorithm>
#include <unordered_set>

namespace sharestore {

Result<std::unique_ptr<Index>> Index::open(IndexOptions options, Clock& clock) {
  auto opened = index_db::SqliteIndex::open(std::move(options), clock);
  if (!opened) return fail(opened.error());
  return std::unique_ptr<Index>(std::move(*opened));
}

Result<std::unique_ptr<FullIndex>> FullIndex::open_full(IndexOptions options, Clock& clock) {
  auto opened = index_db::SqliteIndex::open(std::move(options), clock);
  if (!opened) return fail(opened.error());
  return std::unique_ptr<FullIndex>(std::move(*opened));
}

namespace index_db {

namespace {

// Shares of the memory: the writer's page cache has three eighths (Store::open), the readers'
// together an eighth, pending renewals three eighths; the rest is for what is on its way.
std::size_t pending_bytes(const IndexOptions& options) { return options.memory_bytes / 8 * 3; }
std::size_t reader_bytes(const IndexOptions& options) { return options.memory_bytes / 8; }

Status check_size(std::string_view what, std::size_t bytes) {
  if (bytes <= kMaxBlobBytes) return {};
  return fail(Errc::invalid_argument, std::string(what) + " has " + std::to_string(bytes) +
                                          " bytes, more than " + std::to_string(kMaxBlobBytes));
}

ShareRow slot_row(Statement::Query& row, Connection& connection) {
  ShareRow share;
  share.info.number = static_cast<ShareNumber>(row.integer(0));
  const std::int64_t kind = row.integer(1);
  const std::int64_t state = row.integer(2);
  const std::int64_t version = row.integer(3);
  if (kind < 0 || kind > 1 || state < 0 || state > 3 || version < 0 || version > 2) {
    connection.note_failure(SQLITE_CORRUPT);
    return share;
  }
  share.info.kind = static_cast<ShareKind>(kind);
  share.state = static_cast<ShareState>(state);
  share.info.container_version = static_cast<int>(version);
  share.info.data_bytes = static_cast<std::uint64_t>(row.integer(4));
  share.info.stored_bytes = static_cast<std::uint64_t>(row.integer(5));
  share.first_write = row.integer(6);
  share.last_write = row.integer(7);
  share.info.enabler_digest = row.digest(8);
  return share;
}

}  // namespace

Result<std::unique_ptr<SqliteIndex>> SqliteIndex::open(IndexOptions options, Clock& clock) {
  auto shared = std::make_unique<SharedState>(pending_bytes(options));
  auto store = Store::open(options, clock, *shared);
  if (!store) return fail(store.error());
  return std::unique_ptr<SqliteIndex>(
      new SqliteIndex(std::move(options), std::move(shared), std::move(*store)));
}

SqliteIndex::SqliteIndex(IndexOptions options, std::unique_ptr<SharedState> shared,
                         std::unique_ptr<Store> store)
    : options_(std::move(options)),
      shared_(std::move(shared)),
      was_clean_(store->was_clean()),
      is_new_(store->is_new()),
      readers_(options_.file, reader_bytes(options_)),
      writer_(std::move(store), *shared_, options_.max_queued_writes) {}

SqliteIndex::~SqliteIndex() { end(false); }

void SqliteIndex::stop() { end(true); }

Task<void> SqliteIndex::sync() {
  return writer_.submit<void>([](Store& /*store*/) { return Status{}; });
}

void SqliteIndex::end(bool clean) {
  {
    std::lock_guard lock(check_.mutex);
    check_.stopping = true;
    if (check_.connection != nullptr) sqlite3_interrupt(check_.connection->handle());
  }
  if (check_.thread.joinable()) check_.thread.join();
  readers_.close();
  writer_.stop(clean);
}

Health SqliteIndex::health() const {
  if (auto poison = shared_->poisoned()) {
    return {false, "the index takes no changes until the node is started again: " + *poison};
  }
  std::string trouble = shared_->trouble();
  const bool ok = trouble.empty();
  return {ok, std::move(trouble)};
}

Result<Slot> SqliteIndex::find(StorageIndex storage_index) {
  auto reader = readers_.take();
  if (!reader) return fail(reader.error());
  Reader& r = **reader;
  const auto unwritten = shared_->unwritten.of(storage_index);
  Slot slot;
  // Doubts are read before rows: a row that is read later can only be newer than its doubt.
  slot.doubtful = shared_->is_leftover(storage_index);
  if (!slot.doubtful && shared_->doubtful_slots.load() != 0) {
    auto doubt = r.is_doubtful.query(storage_index);
    slot.doubtful = doubt.step();
  }
  const std::int64_t rebuild = shared_->rebuild_generation.load();
  bool is_known = rebuild == 0;
  if (!is_known) {
    auto gone = r.is_gone.query(storage_index);
    is_known = gone.step();
  }
  {
    auto row = r.slot.query(storage_index);
    while (row.step()) {
      slot.shares.push_back(slot_row(row, r.connection));
      is_known = is_known || row.integer(9) == rebuild;
    }
  }
  if (Status read = r.connection.status(); !read) return fail(read.error());
  std::sort(slot.shares.begin(), slot.shares.end(),
            [](const ShareRow& a, const ShareRow& b) { return a.info.number < b.info.number; });
  slot.doubtful = slot.doubtful || !is_known;
  for (const auto& change : unwritten) lay_over(*change, slot);
  return slot;
}

Result<Leases> SqliteIndex::leases(ShareId share) {
  auto reader = readers_.take();
  if (!reader) return fail(reader.error());
  Reader& r = **reader;
  const auto unwritten = shared_->unwritten.of(share.storage_index);
  while (true) {
    const std::uint64_t epoch = shared_->pending.epoch();
    std::optional<Leases> leases;
    {
      auto row = r.leases.query(share.storage_index, share.number);
      if (row.step()) {
        leases = unpack_leases(row.blob(0));
        if (!leases) r.connection.note_failure(SQLITE_CORRUPT);
      }
    }
    if (Status read = r.connection.status(); !read) return fail(read.error());
    for (const auto& change : unwritten) lay_over(*change, share.number, leases);
    if (!leases) return fail(Errc::not_found, "the index has no share " + share.to_text());
    shared_->pending.apply(share.storage_index, *leases);
    // A renewal that was merged between the two looks would be missed by both.
    if (shared_->pending.epoch() == epoch) return std::move(*leases);
  }
}

IndexTotals SqliteIndex::totals() const { return totals_of(shared_->counters()); }

Task<void> SqliteIndex::begin_uploads(StorageIndex storage_index, std::vector<ShareNumber> numbers,
                                      std::uint64_t size_bytes, std::int64_t now) {
  return writer_.submit<void>(
      [storage_index, numbers = std::move(numbers), size_bytes, now](Store& store) -> Status {
        store.begin_uploads(storage_index, numbers, size_bytes, now);
        return {};
      });
}

Task<void> SqliteIndex::finish_upload(ShareId share, ShareInfo info, Lease lease, std::int64_t now,
                                      RecordedFlag recorded) {
  if (!recorded) {
    return writer_.submit<void>([share, info, lease, now](Store& store) -> Status {
      store.finish_upload(share, info, lease, now);
      store.drop_uploads(share.storage_index, {share.number});
      return {};
    });
  }
  SlotUpdate change;
  change.storage_index = share.storage_index;
  change.changed.push_back(info);
  change.leased.push_back(share.number);
  change.lease = lease;
  change.now = now;
  change.recorded = std::move(recorded);
  return writer_.submit_behind(std::move(change),
                               [share, info, lease, now](Store& store) -> Status {
                                 store.finish_upload(share, info, lease, now);
                                 return {};
                               });
}

Task<void> SqliteIndex::drop_uploads(StorageIndex storage_index, std::vector<ShareNumber> numbers) {
  return writer_.submit<void>(
      [storage_index, numbers = std::move(numbers)](Store& store) -> Status {
        store.drop_uploads(storage_index, numbers);
        return {};
      });
}

Task<void> SqliteIndex::begin_slot_writes(std::vector<StorageIndex> storage_indexes) {
  return writer_.submit<void>([indexes = std::move(storage_indexes)](Store& store) -> Status {
    for (const StorageIndex& storage_index : indexes) store.begin_slot_write(storage_index);
    return {};
  });
}

Task<LeaseOutcome> SqliteIndex::finish_slot_write(SlotUpdate update) {
  if (!update.recorded) {
    return writer_.submit<LeaseOutcome>(
        [update = std::move(update)](Store& store) { return store.finish_slot_write(update); });
  }
  return finish_slot_write_behind(std::move(update));
}

Task<LeaseOutcome> SqliteIndex::finish_slot_write_behind(SlotUpdate update) {
  auto work = [update](Store& store) -> Status {
    auto done = store.finish_slot_write(update);
    return done ? Status{} : Status(fail(std::move(done.error())));
  };
  auto taken = co_await writer_.submit_behind(std::move(update), std::move(work));
  if (!taken) co_return fail(std::move(taken.error()));
  co_return LeaseOutcome{};
}

Task<void> SqliteIndex::settle_slot(StorageIndex storage_index, std::vector<ShareInfo> shares,
                                    std::vector<Leases> leases, std::int64_t starter_expiry,
                                    std::int64_t now) {
  return writer_.submit<void>([storage_index, shares = std::move(shares),
                               leases = std::move(leases), starter_expiry,
                               now](Store& store) -> Status {
    store.settle_slot(storage_index, shares, leases, starter_expiry, now);
    return {};
  });
}

Result<std::vector<StorageIndex>> SqliteIndex::doubtful_slots(std::size_t limit) {
  auto reader = readers_.take();
  if (!reader) return fail(reader.error());
  Connection& connection = (*reader)->connection;
  std::unordered_set<StorageIndex, StorageIndexHash> seen;
  std::vector<StorageIndex> slots;
  Statement doubts(connection, "select si from doubt limit ?1");
  {
    auto row = doubts.query(static_cast<std::uint64_t>(limit));
    while (row.step()) {
      slots.push_back(row.storage_index(0));
      seen.insert(slots.back());
    }
  }
  if (Status read = connection.status(); !read) return fail(read.error());
  for (const StorageIndex& si : shared_->leftovers()) {
    if (slots.size() >= limit) break;
    if (seen.insert(si).second) slots.push_back(si);
  }
  return slots;
}

Task<LeaseOutcome> SqliteIndex::add_or_renew(StorageIndex storage_index,
                                             std::vector<ShareNumber> numbers, Lease lease) {
  return writer_.submit<LeaseOutcome>(
      [storage_index, numbers = std::move(numbers), lease](Store& store) {
        return store.add_or_renew(storage_index, numbers, lease);
      });
}

Task<bool> SqliteIndex::renew(StorageIndex storage_index, Lease lease) {
  return writer_.submit<bool>([storage_index, lease](Store& store) -> Result<bool> {
    return store.renew(storage_index, lease);
  });
}

Task<void> SqliteIndex::set_state(ShareId share, ShareState state) {
  return writer_.submit<void>(
      [share, state](Store& store) { return store.set_state(share, state); });
}

Task<void> SqliteIndex::forget(ShareId share) {
  return writer_.submit<void>([share](Store& store) -> Status {
    store.forget(share);
    return {};
  });
}

Task<void> SqliteIndex::set_stored_bytes(ShareId share, std::uint64_t stored_bytes) {
  return writer_.submit<void>([share, stored_bytes](Store& store) -> Status {
    store.set_stored_bytes(share, stored_bytes);
    return {};
  });
}

Task<void> SqliteIndex::add_advisory(ShareId share, std::string reason, std::int64_t now) {
  return writer_.submit<void>([share, reason = std::move(reason), now](Store& store) -> Status {
    store.add_advisory(share, reason, now);
    return {};
  });
}

Result<std::optional<std::string>> SqliteIndex::get_value(std::string name) {
  auto reader = readers_.take();
  if (!reader) return fail(reader.error());
  std::optional<std::string> value;
  {
    auto row = (*reader)->value.query(std::string_view(name));
    if (row.step()) value = std::string(row.blob(0));
  }
  if (Status read = (*reader)->connection.status(); !read) return fail(read.error());
  return value;
}

Task<void> SqliteIndex::set_value(std::string name, std::string value) {
  return writer_.submit<void>(
      [name = std::move(name), value = std::move(value)](Store& store) -> Status {
        if (name.starts_with(kOwnValues)) {
          return fail(Errc::invalid_argument, "the value name " + name + " is the index's own");
        }
        if (Status size = check_size("the value " + name, value.size()); !size) return size;
        store.set_value(name, value);
        return {};
      });
}

Task<void> SqliteIndex::note_upload(ShareId share, std::string store_note) {
  return writer_.submit<void>([share, note = std::move(store_note)](Store& store) -> Status {
    if (Status size = check_size("the store note of " + share.to_text(), note.size()); !size) {
      return size;
    }
    return store.note_upload(share, note);
  });
}

Task<std::uint64_t> SqliteIndex::put_intent(StorageIndex storage_index, std::string body) {
  return writer_.submit<std::uint64_t>([storage_index, body = std::move(body)](
                                           Store& store) -> Result<std::uint64_t> {
    if (Status size = check_size("an intent for " + storage_index.to_text(), body.size()); !size) {
      return fail(size.error());
    }
    return store.put_intent(storage_index, body);
  });
}

Task<void> SqliteIndex::drop_intent(std::uint64_t id) {
  return writer_.submit<void>([id](Store& store) -> Status {
    store.drop_intent(id);
    return {};
  });
}

Result<std::vector<UnfinishedUpload>> SqliteIndex::unfinished_uploads() {
  auto reader = readers_.take();
  if (!reader) return fail(reader.error());
  Connection& connection = (*reader)->connection;
  std::vector<UnfinishedUpload> uploads;
  Statement all(connection, "select si, num, size, started, note from upload");
  {
    auto row = all.query();
    while (row.step()) {
      const auto number = static_cast<ShareNumber>(row.integer(1));
      uploads.push_back({{row.storage_index(0), number},
                         static_cast<std::uint64_t>(row.integer(2)),
                         row.integer(3),
                         std::string(row.blob(4))});
    }
  }
  if (Status read = connection.status(); !read) return fail(read.error());
  return uploads;
}

Result<std::vector<Intent>> SqliteIndex::intents() {
  auto reader = readers_.take();
  if (!reader) return fail(reader.error());
  Connection& connection = (*reader)->connection;
  std::vector<Intent> intents;
  Statement all(connection, "select id, si, body from intent order by id");
  {
    auto row = all.query();
    while (row.step()) {
      const auto id = static_cast<std::uint64_t>(row.integer(0));
      intents.push_back({id, row.storage_index(1), std::string(row.blob(2))});
    }
  }
  if (Status read = connection.status(); !read) return fail(read.error());
  return intents;
}

}  // namespace index_db
}  // namespace sharestore
