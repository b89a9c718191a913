// An index in a directory of its own, opened and opened again.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "storage_server/index/full_index.h"
#include "tests/support/fake_clock.h"
#include "tests/support/run_task.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_data.h"

namespace sharestore {

inline ShareInfo immutable_info(ShareNumber number, std::uint64_t data_bytes = 1000) {
  ShareInfo info;
  info.number = number;
  info.data_bytes = data_bytes;
  info.stored_bytes = data_bytes + 12 + 72;
  return info;
}

inline ShareInfo mutable_info(ShareNumber number, std::uint64_t data_bytes = 500) {
  ShareInfo info;
  info.number = number;
  info.kind = ShareKind::mutable_slot;
  info.data_bytes = data_bytes;
  info.stored_bytes = data_bytes + 468;
  info.enabler_digest = blake2b_256("enabler");
  return info;
}

// The lease of client `n`.
inline Lease client_lease(std::uint64_t n, std::int64_t expires_at, std::uint32_t owner = 1) {
  return {owner, blake2b_256("renew" + std::to_string(n)),
          blake2b_256("cancel" + std::to_string(n)), expires_at};
}

inline ShareId share_id(std::uint64_t n, ShareNumber number = 0) { return {test_index(n), number}; }

class IndexTest : public ::testing::Test {
 protected:
  void SetUp() override { open(); }

  IndexOptions options() const {
    IndexOptions options;
    options.file = file();
    options.kept_outside = kept_outside_;
    options.memory_bytes = 4u << 20;
    return options;
  }
  std::filesystem::path file() const { return directory_ / "index.sqlite"; }

  void open() {
    auto opened = FullIndex::open_full(options(), clock_);
    ASSERT_TRUE(opened) << opened.error().message();
    index_ = std::move(*opened);
  }
  // As after kill -9, as far as the index can tell.
  void crash() { index_.reset(); }
  void crash_and_open() {
    crash();
    open();
  }
  void stop() {
    index_->stop();
    index_.reset();
  }
  void stop_and_open() {
    stop();
    open();
  }

  template <class T>
  Result<T> wait(Task<T> task) {
    return run_task(context_, std::move(task));
  }
  template <class T>
  T must(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().message());
    if constexpr (!std::is_void_v<T>) return std::move(*result);
  }
  template <class T>
  T must(Task<T> task) {
    return must(wait(std::move(task)));
  }

  std::int64_t now() const { return unix_seconds(clock_.utc_now()); }

  // An immutable share with one lease of client 1.
  void add_share(std::uint64_t n, ShareNumber number, std::int64_t expires_at) {
    must(index_->begin_uploads(test_index(n), {number}, 1000, now()));
    must(index_->finish_upload(share_id(n, number), immutable_info(number),
                               client_lease(1, expires_at, 0), now()));
  }

  void expect_exact_totals() {
    const IndexTotals totals = index_->totals();
    const IndexTotals counted = must(index_->recount());
    EXPECT_EQ(totals.immutable_shares, counted.immutable_shares);
    EXPECT_EQ(totals.mutable_shares, counted.mutable_shares);
    EXPECT_EQ(totals.immutable_bytes, counted.immutable_bytes);
    EXPECT_EQ(totals.mutable_bytes, counted.mutable_bytes);
    EXPECT_EQ(totals.leases, counted.leases);
    EXPECT_EQ(totals.lost_shares, counted.lost_shares);
  }

  TempDir directory_;
  FakeClock clock_;
  KeptOutside kept_outside_ = KeptOutside::nothing;
  boost::asio::io_context context_{1};
  std::unique_ptr<FullIndex> index_;
};

}  // namespace sharestore
