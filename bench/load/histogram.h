// Latencies, counted in buckets that are at most 0.1 % wide: of 20 ms, 20 us.
//
// One thread per object; merged afterwards.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

namespace sharestore::load {

class Histogram {
 public:
  void add(std::uint64_t nanoseconds) {
    ++counts_[bucket_of(nanoseconds)];
    ++count_;
    sum_ += nanoseconds;
    max_ = nanoseconds > max_ ? nanoseconds : max_;
  }
  void merge(const Histogram& other) {
    for (std::size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
    count_ += other.count_;
    sum_ += other.sum_;
    max_ = other.max_ > max_ ? other.max_ : max_;
  }

  std::uint64_t count() const { return count_; }
  // In microseconds; 0 where nothing was counted.
  double max_us() const { return static_cast<double>(max_) / 1e3; }
  double mean_us() const {
    return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_) / 1e3;
  }
  // The upper end of the bucket in which that part of the values ends.
  double part_us(double part) const {
    const auto wanted = static_cast<std::uint64_t>(part * static_cast<double>(count_));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < kBuckets; ++i) {
      seen += counts_[i];
      if (seen > 0 && seen >= wanted) return std::min(end_of(i), max_us());
    }
    return max_us();
  }

 private:
  static constexpr unsigned kFineBits = 10;  // 1024 buckets per power of two
  static constexpr std::size_t kFine = std::size_t{1} << kFineBits;
  static constexpr std::size_t kBuckets = (64 - kFineBits + 1) * kFine;

  static std::size_t bucket_of(std::uint64_t value) {
    if (value < kFine) return static_cast<std::size_t>(value);
    const auto shift = static_cast<unsigned>(std::bit_width(value)) - 1 - kFineBits;
    return (shift + 1) * kFine + static_cast<std::size_t>((value >> shift) - kFine);
  }
  static double end_of(std::size_t bucket) {
    if (bucket < kFine) return static_cast<double>(bucket + 1) / 1e3;
    const std::size_t shift = bucket / kFine - 1;
    const auto begin = static_cast<double>(bucket % kFine + kFine + 1);
    return begin * static_cast<double>(std::uint64_t{1} << shift) / 1e3;
  }

  std::vector<std::uint64_t> counts_ = std::vector<std::uint64_t>(kBuckets);
  std::uint64_t count_ = 0;
  std::uint64_t sum_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace sharestore::load
