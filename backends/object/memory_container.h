// A container in memory, with the semantics of a well-behaved store: for tests and for `bench`.
//
// Any thread. Holds at most `max_bytes` of objects and parts (no_space beyond).
#pragma once

#include <memory>

#include "backends/core/clock.h"
#include "backends/object/container.h"

namespace sharestore {

struct MemoryContainerOptions {
  std::uint64_t max_bytes = 1ULL << 30;
  ContainerTraits traits = {
      .name = "memory", .min_part_bytes = 1, .put_if_absent = true, .put_if_match = true};
};

std::unique_ptr<ObjectContainer> make_memory_container(MemoryContainerOptions options,
                                                       Clock& clock);

}  // namespace sharestore
