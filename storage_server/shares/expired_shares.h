// How shares are taken out: what expiry asks of the share store.
//
// Threads: any. What is given outlives the calls. Errors: those of every operation of the store;
// after unavailable and others the share may be half gone, and finish_removal() completes it.
#pragma once

#include <cstdint>

#include "backends/backend.h"
#include "storage_server/index/expiry_view.h"

namespace sharestore {

class ExpiredShares {
 public:
  virtual ~ExpiredShares() = default;

  // Under the slot's lock the share is looked at again, with the leases of its file; if all end
  // before `before` (unix seconds) it is claimed in the index, removed from the store, forgotten:
  // each step durable before the next. True: it is gone. False: it is not due any more, or it is
  // being read, written or uploaded.
  virtual Task<bool> remove_if_expired(OpContext context, ExpiryView& expiry, ShareId share,
                                       std::int64_t before) = 0;
  // The share is `going` in the index: the store's part and the row go. Anything else stays as it
  // is; a share that is not there is success.
  virtual Task<void> finish_removal(OpContext context, ShareId share) = 0;
};

}  // namespace sharestore
