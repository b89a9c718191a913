// The backends of the property test, with what can be done to each.
#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "backends/backend.h"
#include "tests/support/crash_file_system.h"
#include "tests/support/fake_clock.h"
#include "tests/support/memory_journal.h"

namespace sharestore {

class ModelWorld {
 public:
  virtual ~ModelWorld() = default;
  virtual std::unique_ptr<Backend> open_backend() = 0;
  // The file system below, if it can crash; else null.
  virtual CrashFileSystem* files() { return nullptr; }

  FakeClock clock;
  MemoryJournal journal;
};

struct ModelCase {
  std::string name;
  bool with_faults = false;
  // Sequences per run; small where each costs real syncs.
  std::uint64_t seeds = 1;
  std::function<std::unique_ptr<ModelWorld>()> make_world;
};

inline void PrintTo(const ModelCase& model, std::ostream* out) { *out << model.name; }

std::vector<ModelCase> model_cases();

}  // namespace sharestore
