#include "storage_server/shares/share_store.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <utility>

#include "backends/core/limits.h"
#include "backends/share_file/layout.h"
#include "storage_server/shares/advisories.h"
#include "storage_server/shares/lease_saver.h"
#include "storage_server/shares/share_removal.h"
#include "storage_server/shares/slot_check.h"
#include "storage_server/shares/slots.h"
#include "storage_server/shares/space_tracker.h"
#include "storage_server/shares/test_and_write.h"
#include "storage_server/shares/uploads.h"

namespace sharestore {

namespace {

// Owner numbers of lease records (disk-format.md section 2).
constexpr std::uint32_t kAllocateOwner = 0;
constexpr std::uint32_t kLeaseOwner = 1;
constexpr std::chrono::seconds kSpaceInterval{1};

class ShareStoreImpl final : public ShareStore {
 public:
  ShareStoreImpl(ShareStoreOptions options, Backend& backend, Index& index, IoPool& pool,
                 Clock& clock)
      : options_(std::move(options)),
        backend_(backend),
        index_(index),
        pool_(pool),
        clock_(clock),
        slots_(backend, index, clock, options_.max_open_readers),
        uploads_(backend, index, slots_, clock, options_.max_uploads),
        space_(options_, backend, index, clock),
        advisories_(options_, index, pool, clock) {}

  Task<void> start(OpContext context) override;
  boost::asio::awaitable<void> run() override;
  Task<void> drain(OpContext context) override;

  Task<std::size_t> save_leases(OpContext context, LeaseBacklog& backlog,
                                std::size_t limit) override {
    return sharestore::save_leases(context, backend_, slots_, backlog, limit);
  }

  Task<bool> remove_if_expired(OpContext context, ExpiryView& expiry, ShareId share,
                               std::int64_t before) override {
    return sharestore::remove_if_expired(context, backend_, slots_, expiry, share, before);
  }
  Task<void> finish_removal(OpContext context, ShareId share) override {
    return sharestore::finish_removal(context, slots_, share);
  }
  Task<std::vector<TakenOut>> take_out(OpContext context, StorageIndex storage_index,
                                       std::optional<ShareNumber> number) override {
    return sharestore::take_out(context, backend_, index_, slots_, storage_index, number);
  }
  Task<std::vector<ShareFault>> examine(OpContext context, StorageIndex storage_index,
                                        std::vector<ShareNumber> numbers, bool repair) override {
    return examine_slot(context, {backend_, index_, slots_, uploads_}, storage_index,
                        std::move(numbers), repair);
  }

  SpaceReport space() const override { return space_.report(); }
  StoreActivity activity() const override {
    return {space_.backend_space(), space_.reserved_bytes(), uploads_.count()};
  }

  Task<AllocateOutcome> allocate(OpContext context, StorageIndex storage_index,
                                 std::vector<ShareNumber> numbers, std::uint64_t size_bytes,
                                 LeaseSecrets lease, Secret upload_secret) override;
  Result<std::shared_ptr<UploadHandle>> find_upload(ShareId share,
                                                    const Secret& upload_secret) override;
  Task<void> abort_upload(OpContext context, ShareId share, Secret upload_secret) override;

  std::optional<Result<std::vector<ShareNumber>>> try_list(StorageIndex storage_index,
                                                           ShareKind kind) override;
  Task<std::vector<ShareNumber>> list(OpContext context, StorageIndex storage_index,
                                      ShareKind kind) override;
  std::shared_ptr<ShareReader> try_open(ShareId share, ShareKind kind) override;
  Task<std::shared_ptr<ShareReader>> open(OpContext context, ShareId share,
                                          ShareKind kind) override;

  Task<ReadTestWriteOutcome> read_test_write(OpContext context, StorageIndex storage_index,
                                             Secret write_enabler, LeaseSecrets lease,
                                             ReadTestWrite request) override;
  Task<void> add_lease(OpContext context, StorageIndex storage_index, LeaseSecrets lease) override;
  Task<void> advise_corrupt(OpContext context, ShareId share, ShareKind kind,
                            std::string reason) override;
  Task<bool> exists(OpContext context, ShareId share) override;

 private:
  Task<void> write_slot(OpContext context, const HeldSlot& slot, WritePlan plan,
                        Secret write_enabler, LeaseSecrets lease);
  Task<void> lease_present(OpContext context, const HeldSlot& slot,
                           std::vector<ShareNumber> numbers, LeaseSecrets secrets,
                           std::uint32_t owner);
  Task<std::uint64_t> lease_bytes_to_append(const HeldSlot& slot, const LeaseSecrets& secrets);
  std::int64_t now_seconds() const { return unix_seconds(clock_.utc_now()); }

  const ShareStoreOptions options_;
  Backend& backend_;
  Index& index_;
  IoPool& pool_;
  Clock& clock_;
  Slots slots_;
  Uploads uploads_;
  SpaceTracker space_;
  Advisories advisories_;
  std::atomic<bool> draining_ = false;
};

std::vector<ShareNumber> numbers_of(const std::vector<ShareRow>& rows, ShareKind kind) {
  std::vector<ShareNumber> numbers;
  for (const ShareRow& row : rows) {
    if (row.state == ShareState::present && row.info.kind == kind) {
      numbers.push_back(row.info.number);
    }
  }
  return numbers;
}

bool needs_settling(const Slot& slot) {
  return slot.doubtful || std::ranges::any_of(slot.shares, [](const ShareRow& row) {
           return row.state == ShareState::unread;
         });
}

// --- life -----------------------------------------------------------------------------------

Task<void> ShareStoreImpl::start(OpContext context) {
  auto unfinished = index_.unfinished_uploads();
  if (!unfinished) co_return fail(std::move(unfinished.error()));
  std::map<StorageIndex, std::vector<ShareNumber>> by_index;
  for (const UnfinishedUpload& upload : *unfinished) {
    by_index[upload.share.storage_index].push_back(upload.share.number);
  }
  for (const auto& [storage_index, numbers] : by_index) {
    auto settled = co_await slots_.settle(context, storage_index, numbers);
    if (!settled && settled.error().code() == Errc::unavailable) {
      // The store cannot be asked now: the first request that wants the slot asks it.
      settled = co_await index_.begin_slot_writes({storage_index});
    }
    if (!settled) co_return fail(std::move(settled.error()));
    auto dropped = co_await index_.drop_uploads(storage_index, numbers);
    if (!dropped) co_return fail(std::move(dropped.error()));
  }
  // Other slots in doubt are settled by the first request that wants them.
  auto refreshed = co_await space_.refresh(context);
  if (!refreshed) spdlog::warn("space: {}", refreshed.error().message());
  co_return Status{};
}

boost::asio::awaitable<void> ShareStoreImpl::run() {
  Monotonic next_expiry = clock_.now();
  while (!draining_) {
    const OpContext context(clock_, clock_.now() + limits::kRequestBudget);
    auto refreshed = co_await space_.refresh(context);
    if (!refreshed) spdlog::debug("space: {}", refreshed.error().message());
    if (clock_.now() >= next_expiry) next_expiry = co_await uploads_.expire();
    co_await clock_.sleep_until(std::min(next_expiry, clock_.now() + kSpaceInterval));
  }
}

Task<void> ShareStoreImpl::drain(OpContext context) {
  draining_ = true;
  auto ended = co_await uploads_.abort_all(context);
  // So that the backend's stop leaves nothing that it must remember.
  auto recorded = co_await index_.sync();
  co_return ended ? recorded : ended;
}

// --- immutable shares -----------------------------------------------------------------------

Task<AllocateOutcome> ShareStoreImpl::allocate(OpContext context, StorageIndex storage_index,
                                               std::vector<ShareNumber> numbers,
                                               std::uint64_t size_bytes, LeaseSecrets lease,
                                               Secret upload_secret) {
  if (draining_) co_return fail(Errc::busy, "the node is stopping and takes no new uploads");
  // Before the slot's lock: an upload's own lock comes first.
  for (const ShareNumber number : numbers) {
    const auto old = uploads_.find({storage_index, number});
    if (!old || !old->timed_out()) continue;
    auto gone = co_await old->abort_if_timed_out(context);
    if (!gone) co_return fail(std::move(gone.error()));
  }
  auto slot = co_await slots_.hold(context, storage_index, numbers);
  if (!slot) co_return fail(std::move(slot.error()));
  auto removed = co_await slots_.finish_removals(context, *slot);
  if (!removed) co_return fail(std::move(removed.error()));
  if (slot->holds(ShareKind::mutable_slot)) {
    co_return fail(Errc::invalid_argument, storage_index.to_text() + " holds mutable shares");
  }
  AllocateOutcome outcome;
  outcome.already_have = numbers_of(slot->shares, ShareKind::immutable);
  if (!outcome.already_have.empty()) {
    auto leased = co_await lease_present(context, *slot, {}, lease, kAllocateOwner);
    if (!leased) co_return fail(std::move(leased.error()));
  }
  std::vector<ShareNumber> wanted;
  bool known_absent = true;
  for (const ShareNumber number : std::set(numbers.begin(), numbers.end())) {
    const ShareRow* row = slot->any(number);
    known_absent = known_absent && row == nullptr;
    if (row == nullptr || row->state == ShareState::lost) wanted.push_back(number);
  }
  if (wanted.empty()) co_return outcome;
  auto refreshed = co_await space_.refresh_if_tight(context, size_bytes, wanted.size());
  if (!refreshed) co_return fail(std::move(refreshed.error()));
  const Lease first = lease.lease(kAllocateOwner, now_seconds() + kLeaseSeconds);
  auto begun = co_await uploads_.begin(context, storage_index, std::move(wanted), known_absent,
                                       size_bytes, first, std::move(upload_secret), space_);
  if (!begun) co_return fail(std::move(begun.error()));
  outcome.allocated = std::move(*begun);
  co_return outcome;
}

Result<std::shared_ptr<UploadHandle>> ShareStoreImpl::find_upload(ShareId share,
                                                                  const Secret& upload_secret) {
  auto upload = uploads_.find(share);
  // Timed out is timed out, also before the round that frees it.
  if (upload && upload->timed_out()) upload = nullptr;
  if (!upload) return fail(Errc::not_found, "no upload of " + share.to_text() + " is in progress");
  if (!upload->secret_is(upload_secret)) {
    return fail(Errc::unauthorized, "wrong upload secret for " + share.to_text());
  }
  return upload;
}

Task<void> ShareStoreImpl::abort_upload(OpContext context, ShareId share, Secret upload_secret) {
  auto upload = uploads_.find(share);
  if (!upload) {
    auto finished = co_await exists(context, share);
    if (!finished) co_return fail(std::move(finished.error()));
    if (*finished) co_return fail(Errc::already_exists, share.to_text() + " is finished");
    co_return fail(Errc::not_found, "no upload of " + share.to_text() + " is in progress");
  }
  if (!upload->secret_is(upload_secret)) {
    co_return fail(Errc::unauthorized, "wrong upload secret for " + share.to_text());
  }
  co_return co_await upload->abort(context);
}

// --- looking and reading --------------------------------------------------------------------

std::optional<Result<std::vector<ShareNumber>>> ShareStoreImpl::try_list(StorageIndex storage_index,
                                                                         ShareKind kind) {
  auto slot = slots_.look(storage_index, {});
  if (!slot) return Result<std::vector<ShareNumber>>(fail(std::move(slot.error())));
  if (needs_settling(*slot)) return std::nullopt;
  return numbers_of(slot->shares, kind);
}

Task<std::vector<ShareNumber>> ShareStoreImpl::list(OpContext context, StorageIndex storage_index,
                                                    ShareKind kind) {
  auto at_once = try_list(storage_index, kind);
  if (at_once) co_return std::move(*at_once);
  auto held = co_await slots_.hold(context, storage_index);
  if (!held) co_return fail(std::move(held.error()));
  co_return numbers_of(held->shares, kind);
}

Task<bool> ShareStoreImpl::exists(OpContext context, ShareId share) {
  auto slot = slots_.look(share.storage_index, {share.number});
  if (!slot) co_return fail(std::move(slot.error()));
  if (!needs_settling(*slot)) {
    co_return std::ranges::any_of(slot->shares, [&share](const ShareRow& row) {
      return row.info.number == share.number && row.state == ShareState::present;
    });
  }
  auto held = co_await slots_.hold(context, share.storage_index, {share.number});
  if (!held) co_return fail(std::move(held.error()));
  co_return held->present(share.number) != nullptr;
}

std::shared_ptr<ShareReader> ShareStoreImpl::try_open(ShareId share, ShareKind kind) {
  auto reader = slots_.try_open(share);
  return reader && reader->info().kind == kind ? reader : nullptr;
}

Task<std::shared_ptr<ShareReader>> ShareStoreImpl::open(OpContext context, ShareId share,
                                                        ShareKind kind) {
  auto reader = co_await slots_.open(context, share);
  if (reader && (*reader)->info().kind != kind) {
    co_return fail(Errc::not_found, share.to_text() + " is of the other kind");
  }
  co_return reader;
}

// --- mutable slots --------------------------------------------------------------------------

Task<ReadTestWriteOutcome> ShareStoreImpl::read_test_write(OpContext context,
                                                           StorageIndex storage_index,
                                                           Secret write_enabler, LeaseSecrets lease,
                                                           ReadTestWrite request) {
  auto slot = co_await slots_.hold(context, storage_index);
  if (!slot) co_return fail(std::move(slot.error()));
  auto removed = co_await slots_.finish_removals(context, *slot);
  if (!removed) co_return fail(std::move(removed.error()));
  if (slot->holds(ShareKind::immutable)) {
    co_return fail(Errc::invalid_argument, storage_index.to_text() + " holds immutable shares");
  }
  auto allowed = check_write_enabler(*slot, write_enabler, request);
  if (!allowed) co_return fail(std::move(allowed.error()));
  auto readers = co_await open_all(context, slots_, *slot);
  if (!readers) co_return fail(std::move(readers.error()));

  ReadTestWriteOutcome outcome;
  auto passed = co_await run_tests(context, pool_, *readers, request);
  if (!passed) co_return fail(std::move(passed.error()));
  auto data = co_await run_reads(context, *readers, request.reads);
  if (!data) co_return fail(std::move(data.error()));
  outcome.success = *passed;
  outcome.data = std::move(*data);
  if (!outcome.success || request.shares.empty()) co_return outcome;

  auto plan = plan_writes(*slot, request);
  if (!plan) co_return fail(std::move(plan.error()));
  readers->clear();
  auto written = co_await write_slot(context, *slot, std::move(*plan), std::move(write_enabler),
                                     std::move(lease));
  if (!written) co_return fail(std::move(written.error()));
  co_return outcome;
}

Task<void> ShareStoreImpl::write_slot(OpContext context, const HeldSlot& slot, WritePlan plan,
                                      Secret write_enabler, LeaseSecrets lease) {
  if (plan.changes.empty()) {
    if (plan.leased.empty()) co_return Status{};
    co_return co_await lease_present(context, slot, std::move(plan.leased), std::move(lease),
                                     kLeaseOwner);
  }
  if (options_.readonly) co_return fail(Errc::forbidden, "the node is read-only");
  SpaceTracker::Reservation reservation;
  if (plan.growth_bytes > 0) {
    auto refreshed = co_await space_.refresh_if_tight(context, plan.growth_bytes);
    if (!refreshed) co_return fail(std::move(refreshed.error()));
    auto room = space_.reserve_growth(plan.growth_bytes);
    if (!room) co_return fail(Errc::no_space, "no room for the mutable share to grow");
    reservation = std::move(*room);
  }
  const Lease record = lease.lease(kLeaseOwner, now_seconds() + kLeaseSeconds);
  SlotUpdate update;
  update.storage_index = slot.storage_index;
  update.removed = plan.removed;
  update.leased = plan.leased;
  update.lease = record;
  update.now = now_seconds();
  SlotCommit commit;
  commit.storage_index = slot.storage_index;
  commit.write_enabler = stored_write_enabler(write_enabler);
  for (ShareChange& change : plan.changes) {
    if (!change.remove) change.leases.push_back({record, lease});
  }
  commit.changes = std::move(plan.changes);

  std::vector<ShareId> touched;
  touched.reserve(commit.changes.size());
  for (const ShareChange& change : commit.changes) {
    touched.push_back({slot.storage_index, change.number});
  }
  const auto recorded = std::make_shared<std::atomic<bool>>(false);
  commit.recorded = recorded;
  auto changed = co_await backend_.commit_slot(context, std::move(commit));
  for (const ShareId& share : touched) slots_.changed(share);
  if (!changed) {
    if (!changed.error().outcome_known()) {
      slots_.distrust(slot.storage_index, recorded);
    } else {
      SlotUpdate nothing;
      nothing.storage_index = slot.storage_index;
      nothing.now = update.now;
      auto cleared = co_await index_.finish_slot_write(std::move(nothing));
      if (!cleared) spdlog::warn("{}", cleared.error().message());
    }
    co_return fail(std::move(changed.error()));
  }
  update.changed = std::move(*changed);
  // What the backend remembers has the leases too, but for those of shares that stay as they are.
  // A removal makes room, which is told at once.
  const bool is_remembered = backend_.traits().keeps_leases && update.removed.empty() &&
                             update.leased.size() == touched.size();
  if (is_remembered) update.recorded = recorded;
  auto stored = co_await index_.finish_slot_write(std::move(update));
  if (!stored) {
    slots_.distrust(slot.storage_index, recorded);
    co_return fail(std::move(stored.error()));
  }
  if (!is_remembered) *recorded = true;
  reservation.end_when(recorded);
  co_return Status{};
}

// --- leases ---------------------------------------------------------------------------------

Task<void> ShareStoreImpl::lease_present(OpContext context, const HeldSlot& slot,
                                         std::vector<ShareNumber> numbers, LeaseSecrets secrets,
                                         std::uint32_t owner) {
  const Lease lease = secrets.lease(owner, now_seconds() + kLeaseSeconds);
  if (backend_.traits().keeps_leases) {
    for (const ShareRow& row : slot.shares) {
      const bool named =
          numbers.empty() || std::ranges::find(numbers, row.info.number) != numbers.end();
      if (!named || slot.present(row.info.number) == nullptr || row.info.container_version != 1) {
        continue;
      }
      // Version 1 files keep secrets in clear, which nothing else remembers: at once.
      const ShareId share{slot.storage_index, row.info.number};
      slots_.changed(share);
      auto stored = co_await backend_.store_leases(context, share, {{lease, secrets}});
      if (!stored) co_return fail(std::move(stored.error()));
      auto size = co_await stored_size(context, backend_, share);
      if (!size) co_return fail(std::move(size.error()));
      if (*size == row.info.stored_bytes) continue;
      auto noted = co_await index_.set_stored_bytes(share, *size);
      if (!noted) co_return noted;
    }
  }
  auto outcome = co_await index_.add_or_renew(slot.storage_index, std::move(numbers), lease);
  if (!outcome) co_return fail(std::move(outcome.error()));
  co_return Status{};
}

Task<std::uint64_t> ShareStoreImpl::lease_bytes_to_append(const HeldSlot& slot,
                                                          const LeaseSecrets& secrets) {
  const Digest renew = blake2b_256(secrets.renew.reveal());
  std::uint64_t bytes = 0;
  for (const ShareRow& row : slot.shares) {
    if (slot.present(row.info.number) == nullptr) continue;
    auto leases = index_.leases({slot.storage_index, row.info.number});
    if (!leases) co_return fail(std::move(leases.error()));
    const bool held = std::ranges::any_of(
        *leases, [&renew](const Lease& known) { return known.renew_digest == renew; });
    if (held) continue;
    // A mutable file has room for four leases in its header (disk-format.md section 4).
    if (row.info.kind == ShareKind::immutable)
      bytes = std::max<std::uint64_t>(bytes, kImmutableLeaseBytes);
    else if (leases->size() >= kMutableLeaseSlots)
      bytes = std::max<std::uint64_t>(bytes, kMutableLeaseBytes);
  }
  co_return bytes;
}

Task<void> ShareStoreImpl::add_lease(OpContext context, StorageIndex storage_index,
                                     LeaseSecrets lease) {
  // Most requests renew what every share has. That needs no lock: whoever writes, removes or
  // settles shares says so in the index first.
  auto renewed =
      co_await index_.renew(storage_index, lease.lease(kLeaseOwner, now_seconds() + kLeaseSeconds));
  if (!renewed) co_return fail(std::move(renewed.error()));
  if (*renewed) co_return Status{};
  auto slot = co_await slots_.hold(context, storage_index);
  if (!slot) co_return fail(std::move(slot.error()));
  const bool any = std::ranges::any_of(
      slot->shares, [&](const ShareRow& row) { return slot->present(row.info.number) != nullptr; });
  if (!any) co_return fail(Errc::not_found, "no shares of " + storage_index.to_text());
  // The common case has room for any record; only a full or readonly node looks closer.
  if (!space_.room_for_record(kMutableLeaseBytes)) {
    auto appended = co_await lease_bytes_to_append(*slot, lease);
    if (!appended) co_return fail(std::move(appended.error()));
    if (*appended > 0 && !space_.room_for_record(*appended)) {
      co_return fail(Errc::no_space, "no room for another lease record");
    }
  }
  co_return co_await lease_present(context, *slot, {}, std::move(lease), kLeaseOwner);
}

Task<void> ShareStoreImpl::advise_corrupt(OpContext context, ShareId share, ShareKind kind,
                                          std::string reason) {
  auto there = co_await exists(context, share);
  if (!there) co_return fail(std::move(there.error()));
  if (!*there) co_return fail(Errc::not_found, "no share " + share.to_text());
  if (!space_.room_for_record(advisory_text(share, kind, reason).size())) co_return Status{};
  co_return co_await advisories_.add(share, kind, std::move(reason));
}

}  // namespace

std::unique_ptr<ShareStore> ShareStore::create(ShareStoreOptions options, Backend& backend,
                                               Index& index, IoPool& pool, Clock& clock) {
  return std::make_unique<ShareStoreImpl>(std::move(options), backend, index, pool, clock);
}

}  // namespace sharestore
