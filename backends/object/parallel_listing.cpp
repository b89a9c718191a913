#include "backends/object/parallel_listing.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include <algorithm>
#include <string_view>
#include <utility>

namespace sharestore {

namespace {

// In the order of their bytes, which is the order of listings.
constexpr std::string_view kLetters = "234567abcdefghijklmnopqrstuvwxyz";
constexpr std::size_t kPrefixes = 32 * 32;

std::string letters_of(std::size_t prefix) {
  return {kLetters[prefix / kLetters.size()], kLetters[prefix % kLetters.size()]};
}

// The prefix that `key` lies in, or the first behind it.
std::size_t prefix_at(const ObjectKeys& keys, const std::string& key) {
  std::size_t low = 0;
  for (std::size_t high = kPrefixes; low < high;) {
    const std::size_t middle = (low + high) / 2;
    const std::string folder = keys.shares_under(letters_of(middle));
    if (folder < key && !key.starts_with(folder))
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

}  // namespace

void ParallelListing::ask_ahead(OpContext context, std::size_t prefix, std::size_t limit) {
  const std::lock_guard hold(mutex_);
  // Pages of another scan are of no use: one that went back, or asks for pages of another size.
  if (limit_ != limit) ahead_.clear();
  limit_ = limit;
  std::erase_if(ahead_, [prefix](const auto& page) {
    return page.first < prefix || page.first > prefix + kPrefixesAhead;
  });
  const std::size_t last = std::min(prefix + kPrefixesAhead, kPrefixes - 1);
  for (std::size_t next = prefix + 1; next <= last; ++next) {
    if (ahead_.contains(next)) continue;
    const auto ahead = std::make_shared<Ahead>();
    ahead_.emplace(next, ahead);
    auto ask = [this, folder = keys_.shares_under(letters_of(next)), context, limit,
                ahead]() -> boost::asio::awaitable<void> {
      ahead->page = co_await container_.list(context, folder, {}, limit);
      ahead->done.set();
      asked_.end();
    };
    asked_.begin();
    boost::asio::co_spawn(executor_, std::move(ask), boost::asio::detached);
  }
}

void ParallelListing::drop_ahead() {
  const std::lock_guard hold(mutex_);
  ahead_.clear();
}

Task<ObjectPage> ParallelListing::page_of(OpContext context, std::size_t prefix, std::string after,
                                          std::size_t limit) {
  const std::string folder = keys_.shares_under(letters_of(prefix));
  std::shared_ptr<Ahead> ahead;
  {
    const std::lock_guard hold(mutex_);
    const auto found = ahead_.find(prefix);
    if (found != ahead_.end() && limit_ == limit && after < folder) {
      ahead = std::move(found->second);
      ahead_.erase(found);
    }
  }
  if (!ahead) co_return co_await container_.list(context, folder, std::move(after), limit);
  co_await ahead->done.wait();
  co_return std::move(ahead->page);
}

Task<ObjectPage> ParallelListing::next(OpContext context, std::string after, std::size_t limit) {
  if (after.empty()) {
    // What an earlier scan asked for is too old for this one.
    drop_ahead();
    auto page = co_await container_.list(context, keys_.all_shares(), {}, limit);
    if (!page || !page->more || page->objects.empty() || page->objects.size() >= limit) {
      co_return page;
    }
    // Some stores cannot tell a short page from the last: one look spares one into every folder.
    auto behind =
        co_await container_.list(context, keys_.all_shares(), page->objects.back().key, 1);
    if (behind) page->more = !behind->objects.empty();
    co_return page;
  }
  // Asked again after an error: the prefixes that were empty need no second look.
  std::size_t prefix = failed_after_ == after ? failed_prefix_ : prefix_at(keys_, after);
  for (; prefix < kPrefixes; ++prefix) {
    ask_ahead(context, prefix, limit);
    auto page = co_await page_of(context, prefix, after, limit);
    if (!page) {
      failed_after_ = after;
      failed_prefix_ = prefix;
      co_return fail(std::move(page.error()));
    }
    const bool more = page->more || prefix + 1 < kPrefixes;
    if (page->objects.empty()) continue;
    page->more = more;
    co_return std::move(*page);
  }
  co_return ObjectPage{};
}

}  // namespace sharestore
