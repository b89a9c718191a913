// Operations of the property test: plain values, generated from a seed, printable, droppable.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backends/backend.h"

namespace sharestore {

struct Operation {
  enum class Kind {
    upload,   // an immutable share, whole
    give_up,  // an upload begun and abandoned
    commit,   // a slot commit
    remove,
    store_leases,
    reopen,
    crash,      // the next operation is cut off after `after_calls` changing system calls
    fail_next,  // the `after_calls`-th changing system call from here fails once
  };
  Kind kind = Kind::upload;
  StorageIndex index;
  ShareNumber number = 0;
  std::string data;
  std::vector<ShareChange> changes;
  std::vector<LeaseUpdate> leases;
  std::uint64_t after_calls = 0;
  std::uint64_t seed = 0;  // for what a crash leaves
  int error = 0;           // for fail_next: an errno
};

// The world is small so that operations meet: 4 storage indexes, 3 shares each, offsets at edges.
std::vector<StorageIndex> model_indexes();
inline constexpr ShareNumber kModelShares = 3;

std::vector<Operation> generate(std::uint64_t seed, std::size_t count, bool with_faults);
std::string to_string(const Operation& operation);

}  // namespace sharestore
