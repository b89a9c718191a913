// Which bytes of an upload have arrived.
//
// One thread at a time. The number of ranges is bounded by the caller (kMaxRanges).
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "storage_server/shares/share_store.h"

namespace sharestore {

class RangeSet {
 public:
  // An upload that is written in more separate pieces than this is refused further ones.
  static constexpr std::size_t kMaxRanges = 65536;

  // Adds [begin, end); requires begin < end.
  void add(ByteRange range);

  // The parts of `range` that are in the set, and those that are not, ascending.
  std::vector<ByteRange> present_in(ByteRange range) const;
  std::vector<ByteRange> missing_in(ByteRange range) const;

  bool covers(ByteRange range) const { return missing_in(range).empty(); }
  std::size_t ranges() const { return ends_by_begin_.size(); }

 private:
  std::map<std::uint64_t, std::uint64_t> ends_by_begin_;
};

}  // namespace sharestore
