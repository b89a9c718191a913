// A node's storage over a bucket, without the network; it can be stopped, killed, and lose its
// disk.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backends/object/memory_container.h"
#include "backends/object/object_key.h"
#include "storage_server/index/full_index.h"
#include "storage_server/node/rebuild_run.h"
#include "storage_server/shares/share_store.h"
#include "storage_server/state/state_keeper.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fault_container.h"
#include "tests/support/object_place.h"
#include "tests/support/run_moving.h"
#include "tests/support/run_task.h"
#include "tests/support/test_data.h"

namespace sharestore {

class BucketTest : public testing::Test {
 protected:
  static constexpr ShareKind kImmutable = ShareKind::immutable;
  static constexpr ShareKind kMutable = ShareKind::mutable_slot;

  BucketTest() { start(); }
  ~BucketTest() override {
    faults_->clear();
    stop();
  }

  void start() {
    IndexOptions options;
    options.file = place_->directory() / "index.sqlite";
    options.kept_outside = KeptOutside::in_batches;
    options.memory_bytes = 4u << 20;
    auto opened = FullIndex::open_full(options, clock_);
    ASSERT_TRUE(opened) << opened.error().message();
    index_ = std::move(*opened);
    backend_ = place_->open(std::make_unique<FaultContainer>(container_, faults_), *index_, clock_,
                            backend_options());
    must(run(backend_->start(context())));
    ShareStoreOptions store;
    store.advisories_directory = place_->directory() / "advisories";
    store.spool_directory = place_->directory() / "incoming";
    store.sizelimit_bytes = sizelimit_bytes_;
    store_ = ShareStore::create(store, *backend_, *index_, place_->pool(), clock_);
    if (index_->is_new()) must(run(index_->begin_rebuild(now() + kStarterLeaseSeconds)));
    must(run(store_->start(context())));
    keeper_ = std::make_unique<StateKeeper>(*backend_, *index_, clock_);
  }
  ObjectBackendOptions backend_options() {
    ObjectBackendOptions options = place_->options();
    options.take_over = take_over_;
    return options;
  }
  void stop() {
    if (!store_) return;
    EXPECT_TRUE(run_moving(store_->drain(context())));
    keeper_.reset();
    store_.reset();
    EXPECT_TRUE(run_moving(backend_->stop(context())));
    backend_.reset();
    index_->stop();
    index_.reset();
  }
  // As kill -9: nothing that happens now reaches the store or the index.
  void kill() {
    faults_->set_plain([](const ContainerCall&) { return fail(Errc::unavailable, "killed"); });
    keeper_.reset();
    store_.reset();
    EXPECT_TRUE(run_moving(backend_->stop(context())));
    backend_.reset();
    index_.reset();
    faults_->clear();
  }
  void restart() {
    stop();
    start();
  }
  // Another machine, with nothing but the node's keys.
  void lose_disk() {
    kill();
    place_ = std::make_unique<ObjectPlace>();
    take_over_ = true;
    start();
  }
  // The rebuild that a node runs in the background, to its end.
  void rebuild() {
    (void)run_moving([](BucketTest& test) -> boost::asio::awaitable<Status> {
      RebuildRun rebuild(*test.backend_, *test.store_, *test.index_, test.clock_);
      co_await rebuild.complete(test.stopping_);
      co_return Status{};
    }(*this));
  }

  template <class T>
  T run(boost::asio::awaitable<T> task) {
    return run_task(std::move(task));
  }
  static void must(const Status& status) {
    ASSERT_TRUE(status) << (status ? "" : status.error().message());
  }
  // The same for what sleeps.
  template <class T>
  T run_moving(boost::asio::awaitable<T> task, Duration step = std::chrono::milliseconds(100)) {
    return sharestore::run_moving(clock_, place_->executor(), std::move(task), step);
  }
  OpContext context(Duration budget = std::chrono::hours(1)) { return clock_.context(budget); }
  std::int64_t now() const { return unix_seconds(clock_.utc_now()); }

  Result<AllocateOutcome> allocate(ShareId share, std::uint64_t bytes) {
    return run(store_->allocate(context(), share.storage_index, {share.number}, bytes,
                                letter_secrets('r', 'c'), letter_secret('u')));
  }
  // A whole immutable share; what the last step answered.
  Status put(ShareId share, std::string_view text) {
    auto allocated = allocate(share, text.size());
    if (!allocated) return fail(allocated.error());
    if (allocated->allocated.empty()) return fail(Errc::already_exists, "not allocated");
    auto upload = store_->find_upload(share, letter_secret('u'));
    if (!upload) return fail(upload.error());
    if (auto wrote = run((*upload)->write(context(), 0, Bytes::copy_of(text))); !wrote) {
      return wrote;
    }
    auto finished = run((*upload)->finish_write(context()));
    if (!finished) return fail(finished.error());
    return finished->complete ? Status() : Status(fail(Errc::io_error, "incomplete"));
  }
  Status write(StorageIndex index, const std::map<ShareNumber, std::string>& texts,
               char enabler = 'W') {
    ReadTestWrite request;
    for (const auto& [number, text] : texts) {
      request.shares[number].writes.push_back({0, text_source(text)});
      request.shares[number].new_length = text.size();
    }
    auto written = run(store_->read_test_write(context(), index, letter_secret(enabler),
                                               letter_secrets('r', 'c'), std::move(request)));
    if (!written) return fail(written.error());
    return {};
  }
  // The whole share, or "<code>" where it cannot be had.
  std::string content(ShareId share, ShareKind kind) {
    auto reader = run(store_->open(context(), share, kind));
    if (!reader) return code_of(reader.error());
    auto bytes = run((*reader)->read(context(), 0, (*reader)->info().data_bytes));
    return bytes ? std::string(bytes->text()) : code_of(bytes.error());
  }
  std::string list(StorageIndex index, ShareKind kind) {
    auto numbers = run(store_->list(context(), index, kind));
    if (!numbers) return code_of(numbers.error());
    std::string text;
    for (const ShareNumber number : *numbers) text += std::to_string(number) + " ";
    return text;
  }
  static std::string code_of(const Error& error) {
    return "<" + std::string(to_string(error.code())) + ">";
  }
  std::optional<ShareState> state(ShareId share) {
    const auto slot = index_->find(share.storage_index);
    if (!slot) return std::nullopt;
    for (const ShareRow& row : slot->shares) {
      if (row.info.number == share.number) return row.state;
    }
    return std::nullopt;
  }

  // Past the node.
  void put_object(ShareId share, std::string_view bytes) {
    ASSERT_TRUE(run(container_->put(context(), keys_.share(share), text_source(bytes), {})));
  }
  void remove_object(ShareId share) {
    must(run(container_->remove(context(), keys_.share(share))));
  }
  std::string object(ShareId share) {
    const auto got = run(container_->get(context(), keys_.share(share), 0, 0, Freshness::newest));
    return got ? std::string(got->bytes.text()) : code_of(got.error());
  }

  FakeClock clock_;
  std::unique_ptr<ObjectPlace> place_ = std::make_unique<ObjectPlace>();
  const ObjectKeys keys_{ObjectPlace::kPrefix};
  std::shared_ptr<ObjectContainer> container_ = make_memory_container({}, clock_);
  std::shared_ptr<Faults> faults_ = std::make_shared<Faults>();
  bool take_over_ = false;
  std::uint64_t sizelimit_bytes_ = 0;
  std::atomic<bool> stopping_ = false;
  std::unique_ptr<FullIndex> index_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<ShareStore> store_;
  std::unique_ptr<StateKeeper> keeper_;
};

const ShareId kOne{test_index(1), 1};
const ShareId kSlot{test_index(2), 10};

}  // namespace sharestore
