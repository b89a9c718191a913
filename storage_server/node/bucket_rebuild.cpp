#include "storage_server/node/bucket_rebuild.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

#include "backends/core/limits.h"

namespace sharestore {

namespace {

constexpr std::size_t kRowsAtOnce = 512;
// Between two headers read at leisure: at most 20 requests a second.
constexpr std::chrono::milliseconds kHeaderPause{50};
// Not empty: rows may be left whose headers nobody has read.
constexpr const char* kUnreadLeft = "node.unread-left";

}  // namespace

Task<void> ask_for_unseen(ShareStore& store, FullIndex& index, Clock& clock,
                          const std::atomic<bool>& stopping) {
  std::optional<ShareId> after;
  do {
    auto page = index.unseen(after, kRowsAtOnce);
    if (!page) co_return fail(std::move(page.error()));
    for (const StorageIndex& storage_index : page->slots) {
      if (stopping) co_return fail(Errc::cancelled, "the node stops");
      const OpContext context(clock, clock.now() + limits::kRequestBudget);
      auto settled = co_await store.list(context, storage_index, ShareKind::immutable);
      if (!settled) co_return fail(std::move(settled.error()));
    }
    after = page->next;
  } while (after);
  co_return Status{};
}

Task<void> note_unread_headers(FullIndex& index) {
  co_return co_await index.set_value(kUnreadLeft, "1");
}

Task<void> read_unread_headers(ShareStore& store, FullIndex& index, Clock& clock,
                               const std::atomic<bool>& stopping) {
  const auto left = index.get_value(kUnreadLeft);
  if (!left) co_return fail(left.error());
  if (left->value_or("").empty()) co_return Status{};
  std::uint64_t failures = 0;
  std::optional<ShareId> after;
  do {
    auto page = index.rows(after, kRowsAtOnce);
    if (!page) co_return fail(std::move(page.error()));
    for (const IndexRow& row : page->rows) {
      if (row.row.state != ShareState::unread) continue;
      if (stopping) co_return Status{};
      const OpContext context(clock, clock.now() + limits::kRequestBudget);
      auto read = co_await store.list(context, row.storage_index, row.row.info.kind);
      if (!read) ++failures;
      co_await clock.sleep_until(clock.now() + kHeaderPause);
    }
    after = page->next;
  } while (after);
  if (failures == 0) co_return co_await index.set_value(kUnreadLeft, "");
  co_return fail(Errc::unavailable, fmt::format("{} shares could not be looked at", failures));
}

}  // namespace sharestore
