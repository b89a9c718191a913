#include "backends/core/operation_meter.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>
#include <vector>

namespace sharestore {
namespace {

using std::chrono::milliseconds;

TEST(OperationMeter, NothingIsNothing) {
  const OperationFigures figures = OperationMeter().read();
  EXPECT_EQ(figures.count, 0U);
  EXPECT_TRUE(figures.samples.empty());
}

TEST(OperationMeter, CountsAndTimesApart) {
  OperationMeter meter;
  meter.count(10);
  meter.count();
  meter.count_failure();
  meter.time(milliseconds(500));
  const OperationFigures figures = meter.read();
  EXPECT_EQ(figures.count, 2U);
  EXPECT_EQ(figures.bytes, 10U);
  EXPECT_EQ(figures.failures, 1U);
  EXPECT_EQ(figures.timed, 1U);
  EXPECT_DOUBLE_EQ(figures.seconds, 0.5);
  EXPECT_NEAR(figures.quantile(0), 0.5, 1e-6);
  EXPECT_NEAR(figures.quantile(1), 0.5, 1e-6);
}

TEST(OperationMeter, QuantilesAreOfTheNewest) {
  OperationMeter meter;
  for (std::size_t i = 0; i < OperationMeter::kSamples; ++i) meter.time(std::chrono::hours(1));
  for (std::size_t i = 1; i <= OperationMeter::kSamples; ++i) meter.time(milliseconds(i));
  const OperationFigures figures = meter.read();
  EXPECT_EQ(figures.timed, 2 * OperationMeter::kSamples);
  EXPECT_EQ(figures.samples.size(), OperationMeter::kSamples);
  EXPECT_NEAR(figures.quantile(0.5), 0.512, 1e-6);
  EXPECT_NEAR(figures.quantile(1), 1.024, 1e-6);
  EXPECT_NEAR(figures.quantile(0), 0.001, 1e-6);
}

TEST(OperationMeter, AClockThatGoesBackAddsNothing) {
  OperationMeter meter;
  meter.time(milliseconds(-5));
  EXPECT_EQ(meter.read().seconds, 0);
}

TEST(OperationMeter, ManyThreadsLoseNothing) {
  OperationMeter meter;
  constexpr int kThreads = 8;
  constexpr int kEach = 10'000;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < kEach; ++k) {
        meter.count(3);
        meter.time(milliseconds(1));
      }
    });
  }
  for (int k = 0; k < 100; ++k) meter.read();
  for (std::thread& thread : threads) thread.join();
  const OperationFigures figures = meter.read();
  EXPECT_EQ(figures.count, std::uint64_t{kThreads} * kEach);
  EXPECT_EQ(figures.bytes, std::uint64_t{kThreads} * kEach * 3);
  EXPECT_EQ(figures.timed, std::uint64_t{kThreads} * kEach);
  EXPECT_NEAR(figures.seconds, kThreads * kEach * 0.001, 1e-6);
}

}  // namespace
}  // namespace sharestore
