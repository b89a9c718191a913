// A Backend that forwards to another and calls a test before and after each operation.
//
// The hooks are set before the backend is used; they are called on the caller's thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/backend.h"

namespace sharestore {

class HookedBackend final : public Backend {
 public:
  explicit HookedBackend(std::unique_ptr<Backend> inner) : inner_(std::move(inner)) {}

  // An error is returned to the caller in place of the operation. "remove", "load_leases", …
  std::function<Status(std::string_view call)> before;
  std::function<void(std::string_view call)> after;

  const BackendTraits& traits() const override { return inner_->traits(); }
  Task<void> start(OpContext context) override { return run("start", inner_->start(context)); }
  Task<void> stop(OpContext context) override { return run("stop", inner_->stop(context)); }
  Task<std::vector<ShareInfo>> list(OpContext context, StorageIndex storage_index,
                                    std::vector<ShareNumber> known) override {
    return run("list", inner_->list(context, storage_index, std::move(known)));
  }
  Task<std::unique_ptr<ShareWriter>> create_immutable(OpContext context, NewShare share) override {
    return run("create_immutable", inner_->create_immutable(context, std::move(share)));
  }
  Task<std::shared_ptr<ShareReader>> open(OpContext context, ShareId share) override {
    return run("open", inner_->open(context, share));
  }
  Task<std::vector<ShareInfo>> commit_slot(OpContext context, SlotCommit commit) override {
    return run("commit_slot", inner_->commit_slot(context, std::move(commit)));
  }
  Task<void> remove(OpContext context, ShareId share) override {
    return run("remove", inner_->remove(context, share));
  }
  Task<std::string> quarantine(OpContext context, ShareId share) override {
    return run("quarantine", inner_->quarantine(context, share));
  }
  Task<ScanPage> scan(OpContext context, ScanCursor cursor, std::size_t limit) override {
    return run("scan", inner_->scan(context, std::move(cursor), limit));
  }
  Task<Leases> load_leases(OpContext context, ShareId share) override {
    return run("load_leases", inner_->load_leases(context, share));
  }
  Task<void> store_leases(OpContext context, ShareId share,
                          std::vector<LeaseUpdate> leases) override {
    return run("store_leases", inner_->store_leases(context, share, std::move(leases)));
  }
  Task<void> put_state(OpContext context, std::string name, Bytes content) override {
    return run("put_state", inner_->put_state(context, std::move(name), std::move(content)));
  }
  Task<Bytes> get_state(OpContext context, std::string name) override {
    return run("get_state", inner_->get_state(context, std::move(name)));
  }
  Task<std::vector<std::string>> list_state(OpContext context) override {
    return run("list_state", inner_->list_state(context));
  }
  Task<void> remove_state(OpContext context, std::string name) override {
    return run("remove_state", inner_->remove_state(context, std::move(name)));
  }
  Task<Space> space(OpContext context) override { return run("space", inner_->space(context)); }
  Health health() const override { return inner_->health(); }

 private:
  template <class T>
  Task<T> run(std::string_view call, Task<T> operation) {
    if (before) {
      if (Status status = before(call); !status) co_return fail(status.error());
    }
    auto result = co_await std::move(operation);
    if (after) after(call);
    co_return result;
  }

  const std::unique_ptr<Backend> inner_;
};

}  // namespace sharestore
