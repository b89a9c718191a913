// A share store over the memory backend and a real index, on a clock that tests own.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backends/memory/memory_backend.h"
#include "storage_server/index/full_index.h"
#include "storage_server/shares/share_store.h"
#include "tests/support/fake_clock.h"
#include "tests/support/hooked_backend.h"
#include "tests/support/run_task.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_data.h"

namespace sharestore {

class ShareStoreTest : public testing::Test {
 protected:
  static constexpr ShareKind kImmutable = ShareKind::immutable;
  static constexpr ShareKind kMutable = ShareKind::mutable_slot;

  ShareStoreTest() { open({}); }
  ~ShareStoreTest() override { close(); }

  void open(ShareStoreOptions options) {
    if (!backend_) backend_ = make_memory_backend({.max_bytes = 64 << 20});
    if (!index_) {
      IndexOptions index;
      index.file = directory_.path() / "index.sqlite";
      auto opened = FullIndex::open_full(index, clock_);
      ASSERT_TRUE(opened) << opened.error().message();
      index_ = std::move(*opened);
    }
    options.advisories_directory = directory_.path() / "advisories";
    options.spool_directory = directory_.path();
    store_ = ShareStore::create(std::move(options), *backend_, *index_, pool_, clock_);
    const Status started = run(store_->start(context()));
    ASSERT_TRUE(started) << started.error().message();
  }
  // Another store over the same backend and index, as after a restart.
  void reopen(ShareStoreOptions options = {}) {
    store_.reset();
    open(std::move(options));
  }
  void close() {
    store_.reset();
    if (index_) index_->stop();
    index_.reset();
  }

  template <class T>
  T run(boost::asio::awaitable<T> task) {
    return run_task(std::move(task));
  }
  OpContext context() { return clock_.context(); }

  Result<AllocateOutcome> allocate(StorageIndex index, std::vector<ShareNumber> numbers,
                                   std::uint64_t size, char lease = 'r', char secret = 'u') {
    return run(store_->allocate(context(), index, std::move(numbers), size,
                                letter_secrets(lease, 'c'), letter_secret(secret)));
  }
  std::shared_ptr<UploadHandle> upload_of(ShareId share, char secret = 'u') {
    auto upload = store_->find_upload(share, letter_secret(secret));
    EXPECT_TRUE(upload) << (upload ? "" : upload.error().message());
    return upload ? *upload : nullptr;
  }
  Status write(UploadHandle& upload, std::uint64_t offset, std::string_view text) {
    return run(upload.write(context(), offset, Bytes::copy_of(text)));
  }
  UploadProgress finish(UploadHandle& upload) {
    auto progress = run(upload.finish_write(context()));
    EXPECT_TRUE(progress) << (progress ? "" : progress.error().message());
    return progress ? *progress : UploadProgress{};
  }
  // A whole immutable share.
  void put(ShareId share, std::string_view text) {
    ASSERT_TRUE(allocate(share.storage_index, {share.number}, text.size()));
    auto upload = upload_of(share);
    ASSERT_TRUE(upload);
    ASSERT_TRUE(write(*upload, 0, text));
    ASSERT_TRUE(finish(*upload).complete);
  }

  std::vector<ShareNumber> list(StorageIndex index, ShareKind kind) {
    auto numbers = run(store_->list(context(), index, kind));
    EXPECT_TRUE(numbers) << (numbers ? "" : numbers.error().message());
    return numbers ? *numbers : std::vector<ShareNumber>{};
  }
  // The whole share, or "<code>" where it cannot be opened.
  std::string content(ShareId share, ShareKind kind) {
    auto reader = run(store_->open(context(), share, kind));
    if (!reader) return "<" + std::string(to_string(reader.error().code())) + ">";
    auto bytes = run((*reader)->read(context(), 0, (*reader)->info().data_bytes));
    EXPECT_TRUE(bytes);
    return std::string(bytes->text());
  }

  Result<ReadTestWriteOutcome> read_test_write(StorageIndex index, ReadTestWrite request,
                                               char enabler = 'W', char lease = 'r') {
    return run(store_->read_test_write(context(), index, letter_secret(enabler),
                                       letter_secrets(lease, 'c'), std::move(request)));
  }
  static ReadTestWrite writes(ShareNumber number,
                              std::vector<std::pair<std::uint64_t, std::string>> writes,
                              std::optional<std::uint64_t> new_length = std::nullopt) {
    ReadTestWrite request;
    TestWriteVectors& vectors = request.shares[number];
    for (auto& [offset, text] : writes) vectors.writes.push_back({offset, text_source(text)});
    vectors.new_length = new_length;
    return request;
  }
  Leases leases(ShareId share) {
    auto found = index_->leases(share);
    EXPECT_TRUE(found);
    return found ? *found : Leases{};
  }
  std::int64_t now() const { return unix_seconds(clock_.utc_now()); }

  FakeClock clock_;
  TempDir directory_;
  IoPool pool_{2};
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<FullIndex> index_;
  std::unique_ptr<ShareStore> store_;
};

inline const StorageIndex kSlotA = test_index(1);
inline const StorageIndex kSlotB = test_index(2);

// The same with a backend whose calls a test may see and refuse.
class HookedStoreTest : public ShareStoreTest {
 protected:
  HookedStoreTest() {
    auto hooked = std::make_unique<HookedBackend>(std::move(backend_));
    hooks_ = hooked.get();
    backend_ = std::move(hooked);
    reopen();
  }
  ~HookedStoreTest() override { hooks_->before = nullptr; }

  HookedBackend* hooks_ = nullptr;
};

}  // namespace sharestore
