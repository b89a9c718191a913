// An index that tells a hook before and after each of the steps that make something durable.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "storage_server/index/index.h"

namespace sharestore {

class KillingIndex final : public Index {
 public:
  using Hook = std::function<void(const std::string& point)>;

  KillingIndex(Index& inner, Hook hook) : inner_(inner), hook_(std::move(hook)) {}

  bool was_stopped_cleanly() const override { return inner_.was_stopped_cleanly(); }
  void stop() override { inner_.stop(); }
  Task<void> sync() override { return inner_.sync(); }
  Health health() const override { return inner_.health(); }
  Result<Slot> find(StorageIndex index) override { return inner_.find(index); }
  Result<Leases> leases(ShareId share) override { return inner_.leases(share); }
  IndexTotals totals() const override { return inner_.totals(); }
  std::int64_t rebuilt_at() const override { return inner_.rebuilt_at(); }
  Result<std::vector<StorageIndex>> doubtful_slots(std::size_t limit) override {
    return inner_.doubtful_slots(limit);
  }
  Result<std::optional<std::string>> get_value(std::string name) override {
    return inner_.get_value(std::move(name));
  }
  Result<std::vector<UnfinishedUpload>> unfinished_uploads() override {
    return inner_.unfinished_uploads();
  }
  Result<std::vector<Intent>> intents() override { return inner_.intents(); }

  Task<void> begin_uploads(StorageIndex index, std::vector<ShareNumber> numbers,
                           std::uint64_t size_bytes, std::int64_t now) override {
    return step("begin_uploads", inner_.begin_uploads(index, std::move(numbers), size_bytes, now));
  }
  Task<void> finish_upload(ShareId share, ShareInfo info, Lease lease, std::int64_t now,
                           RecordedFlag recorded) override {
    return step("finish_upload",
                inner_.finish_upload(share, std::move(info), lease, now, std::move(recorded)));
  }
  Task<void> drop_uploads(StorageIndex index, std::vector<ShareNumber> numbers) override {
    return step("drop_uploads", inner_.drop_uploads(index, std::move(numbers)));
  }
  Task<void> begin_slot_writes(std::vector<StorageIndex> indexes) override {
    return step("begin_slot_writes", inner_.begin_slot_writes(std::move(indexes)));
  }
  Task<LeaseOutcome> finish_slot_write(SlotUpdate update) override {
    return step("finish_slot_write", inner_.finish_slot_write(std::move(update)));
  }
  Task<void> note_upload(ShareId share, std::string note) override {
    return step("note_upload", inner_.note_upload(share, std::move(note)));
  }
  Task<std::uint64_t> put_intent(StorageIndex index, std::string body) override {
    return step("put_intent", inner_.put_intent(index, std::move(body)));
  }
  Task<void> drop_intent(std::uint64_t id) override {
    return step("drop_intent", inner_.drop_intent(id));
  }

  // What a start or a lease request does: no step of an upload or a write.
  Task<void> settle_slot(StorageIndex index, std::vector<ShareInfo> shares,
                         std::vector<Leases> leases, std::int64_t starter_expiry,
                         std::int64_t now) override {
    return inner_.settle_slot(index, std::move(shares), std::move(leases), starter_expiry, now);
  }
  Task<LeaseOutcome> add_or_renew(StorageIndex index, std::vector<ShareNumber> numbers,
                                  Lease lease) override {
    return inner_.add_or_renew(index, std::move(numbers), lease);
  }
  Task<bool> renew(StorageIndex index, Lease lease) override { return inner_.renew(index, lease); }
  Task<void> set_state(ShareId share, ShareState state) override {
    return inner_.set_state(share, state);
  }
  Task<void> set_stored_bytes(ShareId share, std::uint64_t stored_bytes) override {
    return inner_.set_stored_bytes(share, stored_bytes);
  }
  Task<void> forget(ShareId share) override { return inner_.forget(share); }
  Task<void> add_advisory(ShareId share, std::string reason, std::int64_t now) override {
    return inner_.add_advisory(share, std::move(reason), now);
  }
  Task<void> set_value(std::string name, std::string value) override {
    return inner_.set_value(std::move(name), std::move(value));
  }

 private:
  template <class T>
  Task<T> step(std::string name, Task<T> work) {
    hook_(name + ".before");
    auto done = co_await std::move(work);
    hook_(name + ".after");
    co_return done;
  }

  Index& inner_;
  const Hook hook_;
};

}  // namespace sharestore
