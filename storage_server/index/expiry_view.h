// What ends when: the index's part of lease expiry.
//
// Threads: any. Errors: those of every read and write of the index.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "backends/backend.h"
#include "backends/core/task.h"

namespace sharestore {

struct DueShare {
  ShareId share;
  ShareInfo info;
  // The latest end of its leases, unix seconds.
  std::int64_t expires_at = 0;
};

// A place in the order in which shares come up.
struct DueCursor {
  std::int64_t due = 0;
  ShareId share;
};

struct DueQuery {
  // Shares all of whose leases end before this, unix seconds.
  std::int64_t before = 0;
  // One kind only; nothing: both.
  std::optional<ShareKind> kind;
  // Go on behind this: `next` of the previous answer.
  std::optional<DueCursor> after;
  // Rows looked at, due or not.
  std::size_t limit = 1000;
};

struct DuePage {
  std::vector<DueShare> shares;
  // Where to go on; nothing: there are no more. A page may be short, or empty, before that.
  std::optional<DueCursor> next;
};

// What ends up to a time, if no lease is renewed until then.
struct ForecastLine {
  std::uint64_t immutable_shares = 0;
  std::uint64_t immutable_bytes = 0;  // stored bytes
  std::uint64_t mutable_shares = 0;
  std::uint64_t mutable_bytes = 0;
};

class ExpiryView {
 public:
  virtual ~ExpiryView() = default;

  // Due shares, from an index by time: the work grows with what comes up, not with what is there. A
  // share comes up when its leases would have ended without the renewals since it last came up;
  // renewed ones are then put where they belong, once. Pending renewals are seen. Shares without
  // leases never come up.
  virtual Task<DuePage> due_leases(DueQuery query) = 0;

  // Takes a due share out: in one durable step it is looked at again (present, every lease ends
  // before `before`, no write or upload under way) and set to `going`. False: it is not due any
  // more. A lease request that comes after it does not find the share.
  virtual Task<bool> claim_expired(ShareId share, std::int64_t before) = 0;

  // Shares being removed (claimed, not yet forgotten), at most `limit`.
  virtual Result<std::vector<DueShare>> going_shares(std::size_t limit) = 0;

  // What ends before `until`, to the day (UTC), without looking at the shares. Renewals enter it
  // within a minute.
  virtual Result<ForecastLine> forecast(std::int64_t until) = 0;
};

}  // namespace sharestore
