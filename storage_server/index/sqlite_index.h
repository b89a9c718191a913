// The index over SQLite: questions go to the read pool, changes to the writer thread.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "storage_server/index/full_index.h"
#include "storage_server/index/read_pool.h"
#include "storage_server/index/shared_state.h"
#include "storage_server/index/writer.h"

namespace sharestore::index_db {

class SqliteIndex final : public FullIndex {
 public:
  static Result<std::unique_ptr<SqliteIndex>> open(IndexOptions options, Clock& clock);
  ~SqliteIndex() override;

  bool was_stopped_cleanly() const override { return was_clean_; }
  void stop() override;
  Task<void> sync() override;
  Health health() const override;

  Result<Slot> find(StorageIndex storage_index) override;
  Result<Leases> leases(ShareId share) override;
  IndexTotals totals() const override;
  std::int64_t rebuilt_at() const override { return shared_->rebuilt_at.load(); }

  Task<void> begin_uploads(StorageIndex storage_index, std::vector<ShareNumber> numbers,
                           std::uint64_t size_bytes, std::int64_t now) override;
  Task<void> finish_upload(ShareId share, ShareInfo info, Lease lease, std::int64_t now,
                           RecordedFlag recorded) override;
  Task<void> drop_uploads(StorageIndex storage_index, std::vector<ShareNumber> numbers) override;

  Task<void> begin_slot_writes(std::vector<StorageIndex> storage_indexes) override;
  Task<LeaseOutcome> finish_slot_write(SlotUpdate update) override;
  Task<void> settle_slot(StorageIndex storage_index, std::vector<ShareInfo> shares,
                         std::vector<Leases> leases, std::int64_t starter_expiry,
                         std::int64_t now) override;
  Result<std::vector<StorageIndex>> doubtful_slots(std::size_t limit) override;

  Task<LeaseOutcome> add_or_renew(StorageIndex storage_index, std::vector<ShareNumber> numbers,
                                  Lease lease) override;
  Task<bool> renew(StorageIndex storage_index, Lease lease) override;
  Task<void> set_state(ShareId share, ShareState state) override;
  Task<void> forget(ShareId share) override;
  Task<void> set_stored_bytes(ShareId share, std::uint64_t stored_bytes) override;
  Task<void> add_advisory(ShareId share, std::string reason, std::int64_t now) override;
  Result<std::optional<std::string>> get_value(std::string name) override;
  Task<void> set_value(std::string name, std::string value) override;

  Task<void> note_upload(ShareId share, std::string store_note) override;
  Task<std::uint64_t> put_intent(StorageIndex storage_index, std::string body) override;
  Task<void> drop_intent(std::uint64_t id) override;
  Result<std::vector<UnfinishedUpload>> unfinished_uploads() override;
  Result<std::vector<Intent>> intents() override;

  Task<DuePage> due_leases(DueQuery query) override;
  Task<bool> claim_expired(ShareId share, std::int64_t before) override;
  Result<std::vector<DueShare>> going_shares(std::size_t limit) override;
  Result<ForecastLine> forecast(std::int64_t until) override;

  Result<BacklogState> backlog() override;
  Task<void> fold_renewals() override;
  Result<std::vector<UnsavedShare>> unsaved(std::size_t limit) override;
  Task<void> acknowledge_saved(std::vector<SavedLeases> saved) override;
  Result<std::vector<RemovedShare>> removed(std::size_t limit) override;
  Task<void> acknowledge_removed(std::vector<RemovedShare> removed) override;

  bool is_new() const override { return is_new_; }
  Result<std::optional<RebuildState>> rebuild_state() override;
  Task<void> begin_rebuild(std::int64_t starter_expiry) override;
  Task<RecordedBatch> record_scanned(std::vector<ScannedShare> shares, ScanCursor next) override;
  Task<void> record_remembered(std::vector<RememberedShare> shares) override;
  Result<UnseenPage> unseen(std::optional<ShareId> after, std::size_t limit) override;
  Task<std::uint64_t> finish_rebuild() override;

  IndexActivity activity() const override;
  void note_download(std::int64_t now) override;
  Result<std::vector<AdvisoryRow>> advisories(std::size_t limit) override;
  Result<RowPage> rows(std::optional<ShareId> after, std::size_t limit) override;
  Result<IndexTotals> recount() override;
  Task<std::vector<std::string>> check() override;
  IndexSize size() const override;

 private:
  // The full check under way.
  struct Check {
    std::mutex mutex;
    Connection* connection = nullptr;  // to be interrupted by stop()
    bool running = false;
    bool stopping = false;
    std::thread thread;
  };

  SqliteIndex(IndexOptions options, std::unique_ptr<SharedState> shared,
              std::unique_ptr<Store> store);
  Result<std::vector<std::string>> run_check();
  Task<LeaseOutcome> finish_slot_write_behind(SlotUpdate update);
  void end(bool clean);
  // Reads rows with kShareColumns of `statement`'s query into what `use` takes.
  template <class Use, class... Values>
  Status for_shares(const std::string& sql, Use use, const Values&... values);

  const IndexOptions options_;
  std::unique_ptr<SharedState> shared_;
  const bool was_clean_;
  const bool is_new_;
  ReadPool readers_;
  Check check_;
  Writer writer_;
};

}  // namespace sharestore::index_db
