// A Backend around another one that measures it; the answers are the other's, unchanged.
//
// Threads and lifetime as backend.h says. Reads that need no waiting are counted, not timed.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/backend.h"
#include "backends/core/operation_meter.h"

namespace sharestore {

// One kind of call, as status and metrics name it: "read", "commit_slot" …
struct BackendOperation {
  std::string_view name;
  OperationFigures figures;
};

// The newest failure of the store: an error that is no answer (not_found, no_space and the like are
// answers, and so is what the caller did wrong or gave up).
struct BackendFailure {
  std::string_view operation;
  std::string sentence;
  WallTime at;
};

class MeteredBackend : public Backend {
 public:
  // Any thread. Operations that were never called are left out.
  virtual std::vector<BackendOperation> operations() const = 0;
  virtual std::optional<BackendFailure> last_failure() const = 0;
};

// `clock` outlives it.
std::unique_ptr<MeteredBackend> make_metered_backend(std::unique_ptr<Backend> backend,
                                                     Clock& clock);

}  // namespace sharestore
