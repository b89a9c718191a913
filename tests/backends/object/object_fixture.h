// A backend over a container that does what the test wants, stopped and opened again at will.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backends/object/memory_container.h"
#include "backends/object/object_key.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fault_container.h"
#include "tests/support/memory_journal.h"
#include "tests/support/object_place.h"
#include "tests/support/run_task.h"
#include "tests/support/test_data.h"

namespace sharestore {

class ObjectTest : public testing::Test {
 protected:
  ObjectTest() { open(); }
  ~ObjectTest() override {
    faults_->clear();
    close();
  }

  void open() { open(place_.options()); }
  void open(ObjectBackendOptions options) {
    close();
    backend_ = make(std::move(options));
    const Status started = run(backend_->start(context()));
    EXPECT_TRUE(started) << (started ? "" : started.error().message());
  }
  std::unique_ptr<Backend> make(ObjectBackendOptions options) {
    return place_.open(std::make_unique<FaultContainer>(container_, faults_), journal_, clock_,
                       std::move(options));
  }
  void close() {
    if (!backend_) return;
    EXPECT_TRUE(run(backend_->stop(context())));
    backend_.reset();
  }
  // As kill -9, as far as the store can tell: nothing it does at the end reaches the store.
  void kill() {
    faults_->set_plain([](const ContainerCall&) { return fail(Errc::unavailable, "killed"); });
    close();
    faults_->clear();
  }

  template <class T>
  T run(boost::asio::awaitable<T> task) {
    return run_task(std::move(task));
  }
  OpContext context(Duration budget = std::chrono::hours(1)) { return clock_.context(budget); }
  static void must(const Status& status) {
    ASSERT_TRUE(status) << (status ? "" : status.error().message());
  }

  Result<std::unique_ptr<ShareWriter>> begin(ShareId share, std::uint64_t bytes) {
    journal_.begin_upload({share, bytes, 0, ""});
    return run(backend_->create_immutable(context(), {share, bytes}));
  }
  Result<ShareInfo> upload(ShareId share, std::string_view text) {
    auto writer = begin(share, text.size());
    if (!writer) return fail(writer.error());
    if (Status ok = run((*writer)->write(context(), 0, Bytes::copy_of(text))); !ok) {
      return fail(ok.error());
    }
    return run((*writer)->commit(context(), {}));
  }
  Result<std::vector<ShareInfo>> write(ShareId share, std::string_view text) {
    ShareChange change;
    change.number = share.number;
    change.writes.push_back({0, text_source(text)});
    return run(
        backend_->commit_slot(context(), {share.storage_index, letter_secret('W'), {change}}));
  }
  // The whole share, or "<code>".
  std::string content(ShareId share) {
    const auto reader = run(backend_->open(context(), share));
    if (!reader) return code_of(reader.error());
    const auto bytes = run((*reader)->read(context(), 0, (*reader)->info().data_bytes + 1));
    return bytes ? std::string(bytes->text()) : code_of(bytes.error());
  }
  static std::string code_of(const Error& error) {
    return "<" + std::string(to_string(error.code())) + ">";
  }
  std::vector<ShareNumber> numbers(StorageIndex index) {
    const auto shares = run(backend_->list(context(), index, {}));
    EXPECT_TRUE(shares) << (shares ? "" : shares.error().message());
    std::vector<ShareNumber> found;
    for (const ShareInfo& info : shares.value_or(std::vector<ShareInfo>{})) {
      found.push_back(info.number);
    }
    return found;
  }
  std::vector<ScannedShare> scan_all(std::size_t limit) {
    std::vector<ScannedShare> all;
    ScanCursor cursor;
    for (bool finished = false; !finished;) {
      auto page = run(backend_->scan(context(), cursor, limit));
      EXPECT_TRUE(page) << (page ? "" : page.error().message());
      if (!page) return all;
      std::ranges::move(page->shares, std::back_inserter(all));
      cursor = page->next;
      finished = page->finished;
    }
    return all;
  }

  // Straight into the container, past the backend and the faults.
  void put_object(std::string key, std::string_view bytes) {
    ASSERT_TRUE(run(container_->put(context(), std::move(key), text_source(bytes), {})));
  }
  std::string object(std::string key) {
    const auto got = run(container_->get(context(), std::move(key), 0, 0, Freshness::newest));
    return got ? std::string(got->bytes.text()) : code_of(got.error());
  }
  std::vector<std::string> keys_below(std::string prefix) {
    std::vector<std::string> keys;
    const auto page = run(container_->list(context(), std::move(prefix), {}, 100'000));
    for (const ObjectInfo& info : page->objects) keys.push_back(info.key);
    return keys;
  }
  std::size_t multiparts() { return run(container_->list_multiparts(context(), "", 1000))->size(); }

  FakeClock clock_;
  MemoryJournal journal_;
  ObjectPlace place_;
  const ObjectKeys keys_{ObjectPlace::kPrefix};
  std::shared_ptr<ObjectContainer> container_ = make_memory_container({}, clock_);
  std::shared_ptr<Faults> faults_ = std::make_shared<Faults>();
  std::unique_ptr<Backend> backend_;
};

const ShareId kOne{test_index(1), 1};
const ShareId kTen{test_index(1), 10};

}  // namespace sharestore
