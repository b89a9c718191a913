// The backends that the conformance and model suites run over.
#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "backends/backend.h"
#include "tests/support/fake_clock.h"
#include "tests/support/memory_journal.h"

namespace sharestore {

// Where a backend lives: outlives the Backend objects opened in it, so that a test can stop one and
// open the next over the same store.
class BackendWorld {
 public:
  virtual ~BackendWorld() = default;
  // A new Backend, not started. At most one at a time.
  virtual std::unique_ptr<Backend> open_backend() = 0;

  FakeClock clock;
  MemoryJournal journal;
};

struct BackendCase {
  std::string name;
  std::function<std::unique_ptr<BackendWorld>()> make_world;
};

inline void PrintTo(const BackendCase& backend, std::ostream* out) { *out << backend.name; }

// Every backend, with room for a few tens of MiB.
std::vector<BackendCase> backend_cases();

}  // namespace sharestore
