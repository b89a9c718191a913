// What is counted; that answers pass unchanged is the conformance suite's matter.
#include "backends/metered/metered_backend.h"

#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "backends/disk/disk_backend.h"
#include "backends/memory/memory_backend.h"
#include "tests/support/fake_clock.h"
#include "tests/support/memory_journal.h"
#include "tests/support/run_task.h"
#include "tests/support/temp_dir.h"

namespace sharestore {
namespace {

class MeteredBackendTest : public testing::Test {
 protected:
  std::map<std::string, OperationFigures> figures() const {
    std::map<std::string, OperationFigures> all;
    for (const auto& [name, of_it] : backend_->operations()) all.emplace(name, of_it);
    return all;
  }

  FakeClock clock_;
  std::unique_ptr<MeteredBackend> backend_ = make_metered_backend(make_memory_backend({}), clock_);
};

TEST_F(MeteredBackendTest, WhatWasNeverCalledIsLeftOut) { EXPECT_TRUE(figures().empty()); }

TEST_F(MeteredBackendTest, CountsCallsAndBytesOfAnUploadAndItsReads) {
  const ShareId share{StorageIndex{}, 3};
  const std::string data(1000, 'x');
  auto writer = run_task(backend_->create_immutable(clock_.context(), {share, data.size()}));
  ASSERT_TRUE(writer);
  ASSERT_TRUE(run_task((*writer)->write(clock_.context(), 0, Bytes::copy_of(data))));
  ASSERT_TRUE(run_task((*writer)->commit(clock_.context(), {})));
  auto reader = run_task(backend_->open(clock_.context(), share));
  ASSERT_TRUE(reader);
  EXPECT_EQ((*reader)->info().data_bytes, data.size());
  std::array<std::byte, 100> some{};
  EXPECT_EQ((*reader)->read_now(0, some), 100U);
  EXPECT_EQ(run_task((*reader)->read(clock_.context(), 900, 500))->size(), 100U);

  const auto counted = figures();
  EXPECT_EQ(counted.at("create_immutable").count, 1U);
  EXPECT_EQ(counted.at("write").bytes, 1000U);
  EXPECT_EQ(counted.at("commit").count, 1U);
  EXPECT_EQ(counted.at("open").count, 1U);
  EXPECT_EQ(counted.at("read_now").bytes, 100U);
  EXPECT_EQ(counted.at("read_now").timed, 0U);
  EXPECT_EQ(counted.at("read").bytes, 100U);
  EXPECT_EQ(counted.at("read").timed, 1U);
  for (const auto& [name, of_it] : counted) EXPECT_EQ(of_it.failures, 0U) << name;
}

TEST_F(MeteredBackendTest, AnAnswerOneMayNotLikeIsNoFailure) {
  const auto reader = run_task(backend_->open(clock_.context(), ShareId{}));
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().code(), Errc::not_found);
  EXPECT_EQ(figures().at("open").count, 1U);
  EXPECT_EQ(figures().at("open").failures, 0U);
  EXPECT_FALSE(backend_->last_failure());
}

TEST_F(MeteredBackendTest, AFailureOfTheStoreIsKeptWithItsTime) {
  const TempDir directory;
  IoPool pool(1);
  MemoryJournal journal;
  DiskOptions options;
  options.storage_directory = directory / "storage";
  options.redo_log_bytes = 0;
  auto disk = make_disk_backend(options, journal, pool, clock_);
  ASSERT_TRUE(disk);
  backend_ = make_metered_backend(std::move(*disk), clock_);
  ASSERT_TRUE(run_task(backend_->start(clock_.context())));
  std::filesystem::remove_all(directory / "storage/shares");
  write_file(directory / "storage/shares", "a file where a folder should be");
  clock_.advance(std::chrono::seconds(5));
  auto writer = run_task(backend_->create_immutable(clock_.context(), {ShareId{}, 1}));
  ASSERT_TRUE(writer);
  ASSERT_TRUE(run_task((*writer)->write(clock_.context(), 0, Bytes::copy_of("x"))));
  const auto committed = run_task((*writer)->commit(clock_.context(), {}));
  ASSERT_FALSE(committed);
  EXPECT_EQ(figures().at("commit").failures, 1U);
  const auto failure = backend_->last_failure();
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->operation, "commit");
  EXPECT_EQ(failure->sentence, committed.error().message());
  EXPECT_EQ(failure->at, clock_.utc_now());
  EXPECT_TRUE(run_task(backend_->stop(clock_.context())));
}

}  // namespace
}  // namespace sharestore
