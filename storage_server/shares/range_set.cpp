#include "storage_server/shares/range_set.h"

#include <algorithm>
#include <iterator>

namespace sharestore {

void RangeSet::add(ByteRange range) {
  auto next = ends_by_begin_.upper_bound(range.begin);
  if (next != ends_by_begin_.begin()) {
    const auto before = std::prev(next);
    if (before->second >= range.begin) {
      range.begin = before->first;
      range.end = std::max(range.end, before->second);
      next = ends_by_begin_.erase(before);
    }
  }
  while (next != ends_by_begin_.end() && next->first <= range.end) {
    range.end = std::max(range.end, next->second);
    next = ends_by_begin_.erase(next);
  }
  ends_by_begin_.emplace_hint(next, range.begin, range.end);
}

std::vector<ByteRange> RangeSet::present_in(ByteRange range) const {
  std::vector<ByteRange> found;
  auto at = ends_by_begin_.upper_bound(range.begin);
  if (at != ends_by_begin_.begin()) --at;
  for (; at != ends_by_begin_.end() && at->first < range.end; ++at) {
    const ByteRange common{std::max(at->first, range.begin), std::min(at->second, range.end)};
    if (common.begin < common.end) found.push_back(common);
  }
  return found;
}

std::vector<ByteRange> RangeSet::missing_in(ByteRange range) const {
  std::vector<ByteRange> gaps;
  std::uint64_t at = range.begin;
  for (const ByteRange& part : present_in(range)) {
    if (at < part.begin) gaps.push_back({at, part.begin});
    at = part.end;
  }
  if (at < range.end) gaps.push_back({at, range.end});
  return gaps;
}

}  // namespace sharestore
