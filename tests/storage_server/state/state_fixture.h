// A bucket, the index of a node over it, and what keeps `state/`; the index can be lost.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "backends/object/memory_container.h"
#include "storage_server/index/full_index.h"
#include "storage_server/state/state_keeper.h"
#include "storage_server/state/state_restore.h"
#include "tests/storage_server/index/index_fixture.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fault_container.h"
#include "tests/support/memory_journal.h"
#include "tests/support/object_place.h"
#include "tests/support/run_task.h"

namespace sharestore {

class StateTest : public testing::Test {
 protected:
  static constexpr std::int64_t kStarter = 5'000'000'000;

  StateTest() { start(); }
  ~StateTest() override { die(); }

  // A node's start; an index that is not there is made.
  void start() {
    IndexOptions options;
    options.file = place_.directory() / "index.sqlite";
    options.kept_outside = KeptOutside::in_batches;
    options.memory_bytes = 4u << 20;
    auto opened = FullIndex::open_full(options, clock_);
    ASSERT_TRUE(opened) << opened.error().message();
    index_ = std::move(*opened);
    backend_ = place_.open(std::make_unique<FaultContainer>(container_, faults_), journal_, clock_);
    ASSERT_TRUE(run(backend_->start(clock_.context())));
    keeper_ = std::make_unique<StateKeeper>(*backend_, *index_, clock_);
  }
  // As kill -9, as far as the store can tell.
  void die() {
    faults_->clear();
    keeper_.reset();
    if (backend_) {
      EXPECT_TRUE(run(backend_->stop(clock_.context())));
    }
    backend_.reset();
    index_.reset();
  }
  void lose_index() {
    die();
    for (const char* suffix : {"", "-wal", "-shm"}) {
      std::filesystem::remove(place_.directory() / (std::string("index.sqlite") + suffix));
    }
    start();
  }
  // What a node does with an index that is new, without requests in between.
  void rebuild() {
    must(run(index_->begin_rebuild(kStarter)));
    restore();
    scan();
  }
  void restore() { must(run(restore_state(*backend_, *index_, clock_, stopping_))); }
  void scan() {
    ScanCursor cursor;
    for (bool finished = false; !finished;) {
      auto page = run(backend_->scan(clock_.context(), cursor, 1000));
      ASSERT_TRUE(page) << page.error().message();
      finished = page->finished;
      cursor = page->next;
      ASSERT_TRUE(run(index_->record_scanned(std::move(page->shares), cursor)));
    }
    ASSERT_TRUE(run(index_->finish_rebuild()));
  }

  template <class T>
  T run(boost::asio::awaitable<T> task) {
    return run_task(std::move(task));
  }
  static void must(const Status& status) {
    ASSERT_TRUE(status) << (status ? "" : status.error().message());
  }

  // An object of `data_bytes` of share data, as an upload leaves it, and its row.
  void add_share(ShareId share, std::int64_t expires_at, std::uint64_t data_bytes = 100) {
    journal_.begin_upload({share, data_bytes, 0, ""});
    auto writer = run(backend_->create_immutable(clock_.context(), {share, data_bytes}));
    ASSERT_TRUE(writer) << writer.error().message();
    must(run((*writer)->write(clock_.context(), 0, pattern_bytes(data_bytes))));
    auto info = run((*writer)->commit(clock_.context(), {}));
    ASSERT_TRUE(info);
    must(run(index_->begin_uploads(share.storage_index, {share.number}, data_bytes, now())));
    must(run(index_->finish_upload(share, *info, client_lease(1, expires_at), now())));
  }
  void renew(ShareId share, std::int64_t expires_at) {
    ASSERT_TRUE(run(
        index_->add_or_renew(share.storage_index, {share.number}, client_lease(1, expires_at))));
  }
  void remove_share(ShareId share) {
    must(run(backend_->remove(clock_.context(), share)));
    must(run(index_->forget(share)));
  }
  void round() { must(run(keeper_->round())); }

  Leases leases(ShareId share) {
    auto found = index_->leases(share);
    return found ? *found : Leases{};
  }
  // The end of client 1's lease; 0: it has none.
  std::int64_t lease_end(ShareId share) {
    for (const Lease& lease : leases(share)) {
      if (lease.renew_digest == client_lease(1, 0).renew_digest) return lease.expires_at;
    }
    return 0;
  }
  std::optional<ShareRow> row(ShareId share) {
    const auto slot = index_->find(share.storage_index);
    if (!slot) return std::nullopt;
    for (const ShareRow& known : slot->shares) {
      if (known.info.number == share.number) return known;
    }
    return std::nullopt;
  }
  std::vector<std::string> state_names() {
    auto names = run(backend_->list_state(clock_.context()));
    EXPECT_TRUE(names);
    return names ? *names : std::vector<std::string>{};
  }
  std::int64_t now() const { return unix_seconds(clock_.utc_now()); }

  FakeClock clock_;
  MemoryJournal journal_;
  ObjectPlace place_;
  std::shared_ptr<ObjectContainer> container_ = make_memory_container({}, clock_);
  std::shared_ptr<Faults> faults_ = std::make_shared<Faults>();
  std::atomic<bool> stopping_ = false;
  std::unique_ptr<FullIndex> index_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<StateKeeper> keeper_;
};

}  // namespace sharestore
