#include "storage_server/shares/reader_cache.h"

#include <algorithm>
#include <utility>

namespace sharestore {

namespace {

bool has_gone(const std::weak_ptr<ShareReader>& reader) { return reader.expired(); }

}  // namespace

std::shared_ptr<ShareReader> ReaderCache::find(const ShareId& share) {
  const std::lock_guard hold(mutex_);
  const auto found = by_share_.find(share);
  if (found == by_share_.end()) return nullptr;
  order_.splice(order_.begin(), order_, found->second);
  return found->second->second;
}

std::optional<ReaderCache::Opening> ReaderCache::begin_opening(const ShareId& share) {
  const std::lock_guard hold(mutex_);
  Use& use = uses_[share];
  if (use.removing) return std::nullopt;
  ++use.opening;
  return Opening(this, share, drops_);
}

std::optional<ReaderCache::Removal> ReaderCache::begin_removal(const ShareId& share) {
  Order dropped;  // readers close their files after the lock is released
  const std::lock_guard hold(mutex_);
  const auto found = by_share_.find(share);
  if (found != by_share_.end()) {
    if (found->second->second.use_count() > 1) return std::nullopt;
    take_out(found->second, dropped);
  }
  Use& use = uses_[share];
  if (!is_idle(use)) return std::nullopt;
  use.removing = true;
  ++drops_;
  return Removal(this, share);
}

void ReaderCache::drop(const ShareId& share) {
  Order dropped;
  const std::lock_guard hold(mutex_);
  ++drops_;
  const auto found = by_share_.find(share);
  if (found != by_share_.end()) take_out(found->second, dropped);
}

void ReaderCache::insert(const ShareId& share, std::shared_ptr<ShareReader> reader,
                         std::uint64_t drops) {
  Order evicted;
  const std::lock_guard hold(mutex_);
  if (drops != drops_ || by_share_.contains(share)) {
    lend(share, reader);
    return;
  }
  order_.emplace_front(share, std::move(reader));
  by_share_.emplace(share, order_.begin());
  while (order_.size() > max_readers_) take_out(std::prev(order_.end()), evicted);
}

void ReaderCache::end_opening(const ShareId& share) {
  const std::lock_guard hold(mutex_);
  const auto found = uses_.find(share);
  --found->second.opening;
  if (is_idle(found->second)) uses_.erase(found);
}

void ReaderCache::end_removal(const ShareId& share) {
  const std::lock_guard hold(mutex_);
  uses_.erase(share);
}

void ReaderCache::take_out(Order::iterator entry, Order& into) {
  by_share_.erase(entry->first);
  if (entry->second.use_count() > 1) lend(entry->first, entry->second);
  into.splice(into.end(), order_, entry);
}

void ReaderCache::lend(const ShareId& share, const std::shared_ptr<ShareReader>& reader) {
  if (uses_.size() >= prune_above_) {
    std::erase_if(uses_, [](const auto& use) { return is_idle(use.second); });
    prune_above_ = std::max(kPruneAbove, 2 * uses_.size());
  }
  std::vector<std::weak_ptr<ShareReader>>& lent = uses_[share].lent;
  std::erase_if(lent, has_gone);
  lent.push_back(reader);
}

bool ReaderCache::is_idle(const Use& use) {
  return use.opening == 0 && !use.removing && std::ranges::all_of(use.lent, has_gone);
}

}  // namespace sharestore
