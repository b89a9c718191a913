// A container whose every call a test may delay, refuse, or rob of its answer.
//
// Any thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/shared_container.h"

namespace sharestore {

struct ContainerCall {
  std::string name;  // "put", "get", …: the method
  std::string key;   // or prefix, or the multipart's key
  // The call has been carried out and its answer is on its way: an error now replaces it.
  bool after = false;

  bool changes() const {
    return name != "get" && name != "head" && name != "list" && name != "list_multiparts" &&
           name != "open";
  }
};

// What the faults share with the test that steers them; outlives the containers.
class Faults {
 public:
  using Hook = std::function<Task<void>(ContainerCall)>;

  void set(Hook hook) {
    const std::lock_guard hold(mutex_);
    hook_ = std::move(hook);
  }
  // One that decides at once.
  void set_plain(std::function<Status(const ContainerCall&)> decide) {
    set([decide = std::move(decide)](ContainerCall call) -> Task<void> { co_return decide(call); });
  }
  void clear() { set(nullptr); }
  void set_health(Health health) {
    const std::lock_guard hold(mutex_);
    health_ = std::move(health);
  }

  // The calls so far, as "put key"; those carried out only.
  std::vector<std::string> calls() const {
    const std::lock_guard hold(mutex_);
    return calls_;
  }
  std::size_t count(std::string_view name) const {
    const std::lock_guard hold(mutex_);
    return static_cast<std::size_t>(std::ranges::count_if(calls_, [name](const std::string& call) {
      return call.substr(0, call.find(' ')) == name;
    }));
  }
  // What was read, in all answers that came through.
  std::uint64_t bytes_got() const {
    const std::lock_guard hold(mutex_);
    return bytes_got_;
  }
  void forget_calls() {
    const std::lock_guard hold(mutex_);
    calls_.clear();
    bytes_got_ = 0;
  }

 private:
  friend class FaultContainer;

  Task<void> meet(ContainerCall call) {
    Hook hook;
    {
      const std::lock_guard hold(mutex_);
      hook = hook_;
    }
    if (!hook) co_return Status{};
    co_return co_await hook(std::move(call));
  }
  void note(const ContainerCall& call) {
    const std::lock_guard hold(mutex_);
    calls_.push_back(call.name + " " + call.key);
  }
  void note_got(std::uint64_t bytes) {
    const std::lock_guard hold(mutex_);
    bytes_got_ += bytes;
  }
  Health health() const {
    const std::lock_guard hold(mutex_);
    return health_;
  }

  mutable std::mutex mutex_;
  Hook hook_;
  Health health_;
  std::vector<std::string> calls_;
  std::uint64_t bytes_got_ = 0;
};

class FaultContainer final : public SharedContainer {
 public:
  FaultContainer(std::shared_ptr<ObjectContainer> inner, std::shared_ptr<Faults> faults)
      : SharedContainer(std::move(inner)), faults_(std::move(faults)) {}

  Task<void> open(OpContext context) override {
    return run<void>({"open", ""}, inner_->open(context));
  }
  Task<ObjectInfo> put(OpContext context, std::string key, ByteSourcePtr content,
                       PutCondition condition) override {
    return run<ObjectInfo>({"put", key},
                           inner_->put(context, key, std::move(content), std::move(condition)));
  }
  Task<ObjectBytes> get(OpContext context, std::string key, std::uint64_t offset,
                        std::uint64_t length, Freshness freshness) override {
    auto got = co_await run<ObjectBytes>({"get", key},
                                         inner_->get(context, key, offset, length, freshness));
    if (got) faults_->note_got(got->bytes.size());
    co_return got;
  }
  Task<ObjectInfo> head(OpContext context, std::string key, Freshness freshness) override {
    return run<ObjectInfo>({"head", key}, inner_->head(context, key, freshness));
  }
  Task<void> remove(OpContext context, std::string key) override {
    return run<void>({"remove", key}, inner_->remove(context, key));
  }
  Task<ObjectPage> list(OpContext context, std::string prefix, std::string after,
                        std::size_t limit) override {
    return run<ObjectPage>({"list", prefix}, inner_->list(context, prefix, after, limit));
  }
  Task<Multipart> begin_multipart(OpContext context, std::string key) override {
    return run<Multipart>({"begin_multipart", key}, inner_->begin_multipart(context, key));
  }
  Task<MultipartPart> upload_part(OpContext context, Multipart upload, std::uint32_t number,
                                  ByteSourcePtr content) override {
    return run<MultipartPart>({"upload_part", upload.key},
                              inner_->upload_part(context, upload, number, std::move(content)));
  }
  Task<ObjectInfo> complete_multipart(OpContext context, Multipart upload,
                                      std::vector<MultipartPart> parts,
                                      PutCondition condition) override {
    return run<ObjectInfo>(
        {"complete_multipart", upload.key},
        inner_->complete_multipart(context, upload, std::move(parts), std::move(condition)));
  }
  Task<void> abort_multipart(OpContext context, Multipart upload) override {
    return run<void>({"abort_multipart", upload.key}, inner_->abort_multipart(context, upload));
  }
  Task<std::vector<Multipart>> list_multiparts(OpContext context, std::string prefix,
                                               std::size_t limit) override {
    return run<std::vector<Multipart>>({"list_multiparts", prefix},
                                       inner_->list_multiparts(context, prefix, limit));
  }
  ContainerStatus status() const override {
    ContainerStatus status = inner_->status();
    if (Health told = faults_->health(); !told.ok) status.health = std::move(told);
    return status;
  }

 private:
  template <class T>
  Task<T> run(ContainerCall call, Task<T> work) {
    auto before = co_await faults_->meet(call);
    if (!before) co_return fail(std::move(before.error()));
    auto answer = co_await std::move(work);
    faults_->note(call);
    call.after = true;
    auto after = co_await faults_->meet(std::move(call));
    if (!after) co_return fail(std::move(after.error()));
    co_return answer;
  }

  const std::shared_ptr<Faults> faults_;
};

}  // namespace sharestore
