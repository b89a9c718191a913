#include "backends/metered/metered_backend.h"

#include <utility>

#include "backends/metered/backend_meters.h"

namespace sharestore {

namespace {

using Meters = std::shared_ptr<BackendMeters>;

class MeteredReader final : public ShareReader {
 public:
  MeteredReader(std::shared_ptr<ShareReader> inner, Meters meters)
      : inner_(std::move(inner)), meters_(std::move(meters)) {}

  const ShareInfo& info() const override { return inner_->info(); }

  std::optional<std::size_t> read_now(std::uint64_t offset, MutableByteSpan into) override {
    const auto got = inner_->read_now(offset, into);
    if (got) meters_->count(Measured::read_now, *got);
    return got;
  }
  Task<Bytes> read(OpContext context, std::uint64_t offset, std::size_t max_bytes) override {
    return meters_->watch_read(Measured::read, inner_->read(context, offset, max_bytes));
  }

 private:
  const std::shared_ptr<ShareReader> inner_;
  const Meters meters_;
};

class MeteredWriter final : public ShareWriter {
 public:
  MeteredWriter(std::unique_ptr<ShareWriter> inner, Meters meters)
      : inner_(std::move(inner)), meters_(std::move(meters)) {}

  Task<std::uint64_t> ready(OpContext context, std::uint64_t offset, std::uint64_t bytes) override {
    return inner_->ready(context, offset, bytes);
  }
  Task<void> write(OpContext context, std::uint64_t offset, Bytes data) override {
    const std::size_t bytes = data.size();
    return meters_->watch(Measured::write, inner_->write(context, offset, std::move(data)), bytes);
  }
  Task<Bytes> read_back(OpContext context, std::uint64_t offset, std::size_t bytes) override {
    return meters_->watch_read(Measured::read_back, inner_->read_back(context, offset, bytes));
  }
  Task<ShareInfo> commit(OpContext context, Leases leases) override {
    return meters_->watch(Measured::commit, inner_->commit(context, std::move(leases)));
  }
  Task<void> abort(OpContext context) override {
    return meters_->watch(Measured::abort, inner_->abort(context));
  }

 private:
  const std::unique_ptr<ShareWriter> inner_;
  const Meters meters_;
};

std::uint64_t bytes_of(const SlotCommit& commit) {
  std::uint64_t bytes = 0;
  for (const ShareChange& change : commit.changes) {
    for (const ShareChange::Write& write : change.writes) bytes += write.data->size();
  }
  return bytes;
}

class Metered final : public MeteredBackend {
 public:
  Metered(std::unique_ptr<Backend> inner, Clock& clock)
      : inner_(std::move(inner)), meters_(std::make_shared<BackendMeters>(clock)) {}

  std::vector<BackendOperation> operations() const override { return meters_->operations(); }
  std::optional<BackendFailure> last_failure() const override { return meters_->last_failure(); }

  const BackendTraits& traits() const override { return inner_->traits(); }
  Health health() const override { return inner_->health(); }
  BackendStatus status() const override { return inner_->status(); }

  Task<void> start(OpContext context) override {
    return meters_->watch(Measured::start, inner_->start(context));
  }
  Task<void> stop(OpContext context) override {
    return meters_->watch(Measured::stop, inner_->stop(context));
  }
  Task<std::vector<ShareInfo>> list(OpContext context, StorageIndex storage_index,
                                    std::vector<ShareNumber> known) override {
    return meters_->watch(Measured::list, inner_->list(context, storage_index, std::move(known)));
  }
  Task<std::unique_ptr<ShareWriter>> create_immutable(OpContext context, NewShare share) override {
    auto writer = co_await meters_->watch(Measured::create_immutable,
                                          inner_->create_immutable(context, std::move(share)));
    if (!writer) co_return fail(std::move(writer.error()));
    co_return std::make_unique<MeteredWriter>(std::move(*writer), meters_);
  }
  Task<std::shared_ptr<ShareReader>> open(OpContext context, ShareId share) override {
    auto reader = co_await meters_->watch(Measured::open, inner_->open(context, share));
    if (!reader) co_return fail(std::move(reader.error()));
    co_return std::make_shared<MeteredReader>(std::move(*reader), meters_);
  }
  Task<std::vector<ShareInfo>> commit_slot(OpContext context, SlotCommit commit) override {
    const std::uint64_t bytes = bytes_of(commit);
    return meters_->watch(Measured::commit_slot, inner_->commit_slot(context, std::move(commit)),
                          bytes);
  }
  Task<void> remove(OpContext context, ShareId share) override {
    return meters_->watch(Measured::remove, inner_->remove(context, share));
  }
  Task<std::string> quarantine(OpContext context, ShareId share) override {
    return meters_->watch(Measured::quarantine, inner_->quarantine(context, share));
  }
  Task<ScanPage> scan(OpContext context, ScanCursor cursor, std::size_t limit) override {
    return meters_->watch(Measured::scan, inner_->scan(context, std::move(cursor), limit));
  }
  Task<Leases> load_leases(OpContext context, ShareId share) override {
    return meters_->watch(Measured::load_leases, inner_->load_leases(context, share));
  }
  Task<void> store_leases(OpContext context, ShareId share,
                          std::vector<LeaseUpdate> leases) override {
    return meters_->watch(Measured::store_leases,
                          inner_->store_leases(context, share, std::move(leases)));
  }
  Task<void> put_state(OpContext context, std::string name, Bytes content) override {
    const std::size_t bytes = content.size();
    return meters_->watch(Measured::put_state,
                          inner_->put_state(context, std::move(name), std::move(content)), bytes);
  }
  Task<Bytes> get_state(OpContext context, std::string name) override {
    return meters_->watch_read(Measured::get_state, inner_->get_state(context, std::move(name)));
  }
  Task<std::vector<std::string>> list_state(OpContext context) override {
    return meters_->watch(Measured::list_state, inner_->list_state(context));
  }
  Task<void> remove_state(OpContext context, std::string name) override {
    return meters_->watch(Measured::remove_state, inner_->remove_state(context, std::move(name)));
  }
  Task<Space> space(OpContext context) override {
    return meters_->watch(Measured::space, inner_->space(context));
  }

 private:
  const std::unique_ptr<Backend> inner_;
  const Meters meters_;
};

}  // namespace

std::unique_ptr<MeteredBackend> make_metered_backend(std::unique_ptr<Backend> backend,
                                                     Clock& clock) {
  return std::make_unique<Metered>(std::move(backend), clock);
}

}  // namespace sharestore
