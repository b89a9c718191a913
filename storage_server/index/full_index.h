// The index with everything it offers: the request path's contract and the views for maintenance.
#pragma once

#include <memory>

#include "storage_server/index/expiry_view.h"
#include "storage_server/index/index.h"
#include "storage_server/index/inspect.h"
#include "storage_server/index/lease_backlog.h"
#include "storage_server/index/rebuild.h"

namespace sharestore {

class FullIndex : public Index,
                  public ExpiryView,
                  public LeaseBacklog,
                  public IndexRebuild,
                  public IndexInspect {
 public:
  // As Index::open.
  static Result<std::unique_ptr<FullIndex>> open_full(IndexOptions options, Clock& clock);
};

}  // namespace sharestore
