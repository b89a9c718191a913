// Damage of every kind to share files and index: all of it is found, nothing else is, repair mends
// the index and destroys nothing.
#include "storage_server/maintenance/verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <map>
#include <random>
#include <set>

#include "storage_server/shares/slots.h"
#include "tests/support/disk_store.h"
#include "tests/support/share_files.h"
#include "tests/support/temp_dir.h"

namespace sharestore {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class VerifyTest : public testing::Test {
 protected:
  ~VerifyTest() override {
    if (disk_) disk_->stop();
  }

  // Lets the verification run, with the clock moved on whenever it waits for that.
  Result<VerifyReport> try_verify(VerifyOptions options, int stop_after = 10'000) {
    Verify verify(*disk_->backend, *disk_->index, *disk_->store, clock_);
    std::optional<Result<VerifyReport>> report;
    boost::asio::io_context loop;
    const auto go_on = [&stop_after](const VerifyProgress&) -> boost::asio::awaitable<bool> {
      co_return --stop_after > 0;
    };
    boost::asio::co_spawn(loop,
                          test_detail::store_result(verify.run(std::move(options), go_on), &report),
                          [](const std::exception_ptr& error) {
                            if (error) std::rethrow_exception(error);
                          });
    while (!report) {
      if (loop.poll() == 0 && clock_.sleepers() != 0) clock_.advance_to_next();
      if (!report && clock_.sleepers() == 0) loop.run_one();
    }
    // Pool threads may not have let go of the loop yet.
    loop.run();
    return std::move(*report);
  }
  VerifyReport verify(VerifyOptions options = {}) {
    auto report = try_verify(std::move(options));
    EXPECT_TRUE(report) << report.error().message();
    return report ? *report : VerifyReport{};
  }
  static VerifyOptions repair() {
    VerifyOptions options;
    options.repair = true;
    return options;
  }
  std::size_t files() const {
    std::size_t count = 0;
    for (const char* below : {"storage/shares", "storage/quarantine"}) {
      if (!fs::exists(directory_ / below)) continue;
      for (const auto& entry : fs::recursive_directory_iterator(directory_ / below)) {
        count += entry.is_regular_file() ? 1 : 0;
      }
    }
    return count;
  }
  void patch(const fs::path& file, std::size_t offset, unsigned bit) {
    std::string bytes = read_file(file);
    bytes[offset] = static_cast<char>(bytes[offset] ^ (1U << bit));
    write_file(file, bytes);
  }
  // Share `n` of a store: every third is mutable.
  static bool is_mutable(std::uint64_t n) { return n % 3 == 0; }
  static ShareId share(std::uint64_t n) { return {test_index(n), n % 4}; }
  void fill(std::uint64_t count) {
    for (std::uint64_t n = 0; n < count; ++n) {
      if (is_mutable(n)) {
        disk_->put_mutable(share(n), pattern_text(100 + n % 900, 3));
      } else {
        disk_->put(share(n), pattern_text(1 + n % 3000, 4));
      }
    }
  }

  // Immutable shares as another program left them, found by a scan: quicker than uploads.
  void find(std::uint64_t count) {
    for (std::uint64_t n = 0; n < count; ++n) {
      write_share_file(directory_ / "storage", share(n), pattern_text(1 + n % 300, 5),
                       disk_->now() + kLeaseSeconds);
    }
    DiskStore::must(run_task(disk_->index->begin_rebuild(disk_->now())));
    ScanCursor cursor;
    for (bool finished = false; !finished;) {
      // One share per storage index: a page may end anywhere.
      auto page = DiskStore::must(run_task(disk_->backend->scan(clock_.context(), cursor, 1000)));
      finished = page.finished;
      cursor = page.next;
      DiskStore::must(run_task(disk_->index->record_scanned(std::move(page.shares), cursor)));
    }
    DiskStore::must(run_task(disk_->index->finish_rebuild()));
  }

  TempDir directory_;
  FakeClock clock_;
  std::unique_ptr<DiskStore> disk_ = std::make_unique<DiskStore>(directory_.path(), clock_);
};

// One damage to share `n`, of the kind; answers what must be reported.
FaultKind do_damage(DiskStore& disk, ShareId share, bool is_mutable, int kind,
                    std::mt19937& random) {
  const fs::path file = disk.file_of(share);
  const auto run = [](auto task) { DiskStore::must(run_task(std::move(task))); };
  const auto row = [&] {
    for (const ShareRow& row : disk.index->find(share.storage_index)->shares) {
      if (row.info.number == share.number) return row.info;
    }
    throw std::logic_error("no row");
  };
  const auto flip = [&](std::size_t from, std::size_t bytes) {
    std::string content = read_file(file);
    content[from + random() % bytes] ^= static_cast<char>(1U << random() % 8);
    write_file(file, content);
  };
  const auto change_row = [&](const ShareInfo& info) {
    SlotUpdate update;
    update.storage_index = share.storage_index;
    update.changed = {info};
    update.now = disk.now();
    run(disk.index->finish_slot_write(update));
  };
  ShareInfo info = row();
  switch (kind) {
    case 0:  // cut anywhere
      fs::resize_file(file, random() % fs::file_size(file));
      return FaultKind::damaged;
    case 1:  // the magic or the version
      flip(0, is_mutable ? 32 : 4);
      return FaultKind::damaged;
    case 2:  // the lengths of the header
      is_mutable ? flip(84, 16) : flip(4, 8);
      return FaultKind::damaged;
    case 3: fs::remove(file); return FaultKind::missing;
    case 4: run(disk.index->forget(share)); return FaultKind::unknown;
    case 5: fs::copy_file(file, file.parent_path() / "77"); return FaultKind::unknown;
    case 6:
      if (is_mutable) {
        flip(52, 32);  // the write enabler
      } else {
        write_file(file, read_file(file) + "behind");
      }
      return FaultKind::differs;
    case 7:
      info.data_bytes += 1 + random() % 100;
      change_row(info);
      return FaultKind::differs;
    case 8:
      info.stored_bytes += 72;
      change_row(info);
      return FaultKind::differs;
    default:  // a row for nothing
      info.number = 78;
      change_row(info);
      return FaultKind::missing;
  }
}

TEST_F(VerifyTest, EveryOneOfAHundredDamagesIsFoundAndMended) {
  constexpr int kDamages = 100;
  std::mt19937 random(20);
  fill(2 * kDamages);
  ASSERT_EQ(verify().fault_count(), 0u);
  std::map<StorageIndex, FaultKind> expected;
  for (int i = 0; i < kDamages; ++i) {
    const auto n = static_cast<std::uint64_t>(2 * i);
    expected[share(n).storage_index] =
        do_damage(*disk_, share(n), is_mutable(n), i / 2 % 10, random);
  }
  const std::size_t before = files();
  const VerifyReport found = verify();
  EXPECT_TRUE(found.complete);
  EXPECT_EQ(found.fault_count(), static_cast<std::uint64_t>(kDamages));
  EXPECT_EQ(found.repaired, 0u);
  std::set<StorageIndex> seen;
  for (const ShareFault& fault : found.findings) {
    const StorageIndex& index = fault.share.storage_index;
    ASSERT_TRUE(expected.contains(index)) << "a false alarm: " << fault.detail;
    EXPECT_TRUE(seen.insert(index).second) << "reported twice: " << fault.detail;
    // A cut or a flipped length may leave a header that is merely another one.
    const bool is_near = expected[index] == FaultKind::damaged && fault.kind == FaultKind::differs;
    if (!is_near) EXPECT_EQ(fault.kind, expected[index]) << fault.detail;
    EXPECT_FALSE(fault.detail.empty());
  }
  EXPECT_EQ(files(), before) << "without repair nothing is touched";

  const VerifyReport mended = verify(repair());
  EXPECT_EQ(mended.fault_count(), static_cast<std::uint64_t>(kDamages));
  EXPECT_EQ(mended.repaired, static_cast<std::uint64_t>(kDamages));
  EXPECT_EQ(files(), before) << "nothing is destroyed";
  for (const ShareFault& fault : mended.findings) {
    if (fault.kind == FaultKind::damaged) {
      EXPECT_TRUE(fs::exists(fault.place)) << fault.place;
    }
  }
  const VerifyReport after = verify();
  EXPECT_EQ(after.fault_count(), 0u) << (after.findings.empty() ? "" : after.findings[0].detail);
  const IndexTotals counted = *disk_->index->recount();
  EXPECT_EQ(counted.immutable_bytes, disk_->index->totals().immutable_bytes);
  EXPECT_EQ(counted.mutable_bytes, disk_->index->totals().mutable_bytes);
}

TEST_F(VerifyTest, TenThousandGoodSharesRaiseNoAlarm) {
  find(10'000);
  // Leases that are in the index only, and others that came into the files since.
  for (std::uint64_t n = 0; n < 50; ++n) {
    ASSERT_TRUE(disk_->lease(share(n).storage_index, 'q'));
  }
  disk_->save_all_leases();
  for (std::uint64_t n = 25; n < 75; ++n) {
    ASSERT_TRUE(disk_->lease(share(n).storage_index, 'p'));
  }
  const VerifyReport report = verify(repair());
  EXPECT_TRUE(report.complete);
  EXPECT_EQ(report.fault_count(), 0u) << report.findings.at(0).detail;
  EXPECT_EQ(report.stored_shares, 10'000u);
  EXPECT_EQ(report.indexed_shares, 10'000u);
}

TEST_F(VerifyTest, AScopeIsAStorageIndexOrABeginning) {
  fill(60);
  const StorageIndex one = share(7).storage_index;
  disk_->make_files();
  fs::remove(disk_->file_of(share(7)));
  fs::remove(disk_->file_of(share(8)));
  VerifyOptions options;
  options.scope = one.to_text();
  EXPECT_EQ(verify(options).fault_count(), 1u);
  EXPECT_EQ(verify(options).indexed_shares, 1u);
  options.scope = one.to_text().substr(0, 1);
  EXPECT_GE(verify(options).fault_count(), 1u);
  EXPECT_LT(verify(options).indexed_shares, 60u);
  for (const char* bad : {"A", "a1", "a/", "abcdefghijklmnopqrstuvwxyza"}) {
    options.scope = bad;
    const auto refused = try_verify(options);
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().code(), Errc::invalid_argument);
    EXPECT_THAT(refused.error().message(), HasSubstr(bad));
  }
}

TEST_F(VerifyTest, GoesOnWhereItWasEnded) {
  fill(200);
  disk_->make_files();
  for (std::uint64_t n = 0; n < 200; n += 20) fs::remove(disk_->file_of(share(n)));
  std::uint64_t faults = 0;
  std::uint64_t stored = 0;
  VerifyOptions options;
  options.paced = true;
  for (int part = 0; part < 4; ++part) {
    const auto report = try_verify(options, 300);
    ASSERT_TRUE(report);
    faults += report->fault_count();
    stored += report->stored_shares;
    EXPECT_EQ(report->complete, part == 3);
    EXPECT_EQ(report->next.empty(), report->complete);
    options.from = report->next;
  }
  EXPECT_EQ(faults, 10u);
  EXPECT_EQ(stored, 190u);
  options.from = "zzz";
  EXPECT_FALSE(try_verify(options));
}

TEST_F(VerifyTest, AMissingShareIsLostOnlyWhenTheStoreSaidSoTwice) {
  fill(4);
  const ShareId gone = share(3);
  disk_->make_files();
  fs::remove(disk_->file_of(gone));
  const Monotonic begun = clock_.now();
  const VerifyReport report = verify(repair());
  ASSERT_EQ(report.findings.size(), 1u);
  EXPECT_TRUE(report.findings[0].repaired);
  EXPECT_GE(clock_.now() - begun, Slots::kMissingGrace);
  EXPECT_EQ(disk_->index->find(gone.storage_index)->shares.at(0).state, ShareState::lost);
  // A mutable share keeps what guards it.
  EXPECT_TRUE(disk_->index->find(gone.storage_index)->shares.at(0).info.enabler_digest);
}

TEST_F(VerifyTest, WhatIsUnderWayIsNoFault) {
  const ShareId uploading{test_index(500), 0};
  ASSERT_TRUE(run_task(disk_->store->allocate(clock_.context(), uploading.storage_index, {0}, 4,
                                              letter_secrets('r', 'c'), letter_secret('u'))));
  const ShareId going{test_index(501), 0};
  disk_->put(going, "data");
  clock_.advance(std::chrono::hours(32 * 24));
  disk_->hooks->before = [](std::string_view call) -> Status {
    if (call == "remove") return fail(Errc::unavailable, "not now");
    return {};
  };
  ASSERT_FALSE(run_task(
      disk_->store->remove_if_expired(clock_.context(), *disk_->index, going, disk_->now() + 1)));
  EXPECT_EQ(verify(repair()).fault_count(), 0u);
  EXPECT_TRUE(fs::exists(disk_->file_of(going)));
  disk_->hooks->before = nullptr;
}

TEST_F(VerifyTest, WhileTheIndexIsRebuiltItSaysSo) {
  DiskStore::must(run_task(disk_->index->begin_rebuild(disk_->now())));
  const auto refused = try_verify({});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::conflict);
}

}  // namespace
}  // namespace sharestore
