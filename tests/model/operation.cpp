#include "tests/model/operation.h"

#include <fmt/format.h>

#include <cerrno>
#include <random>

#include "tests/support/test_data.h"

namespace sharestore {
namespace {

class Generator {
 public:
  Generator(std::uint64_t seed, bool with_faults) : random_(seed), with_faults_(with_faults) {}

  Operation next() {
    Operation op;
    op.kind = kind();
    op.index = model_indexes()[random_() % 4];
    op.number = random_() % kModelShares;
    op.seed = random_();
    op.after_calls = 1 + random_() % 24;
    op.error = random_() % 2 == 0 ? ENOSPC : EIO;
    if (op.kind == Operation::Kind::upload || op.kind == Operation::Kind::give_up) {
      op.data = text(random_() % 12 == 0 ? kLarge + size() : size());
      op.leases = leases(2);
    } else if (op.kind == Operation::Kind::commit) {
      for (ShareNumber n = 0; n < kModelShares; ++n) {
        if (n == op.number || random_() % 3 == 0) op.changes.push_back(change(n));
      }
    } else if (op.kind == Operation::Kind::store_leases) {
      op.leases = leases(3);
    }
    return op;
  }

 private:
  static constexpr std::size_t kLarge = (1u << 20) - 500;  // around where files count as large

  Operation::Kind kind() {
    using Kind = Operation::Kind;
    switch (random_() % (with_faults_ ? 16 : 12)) {
      case 0: return Kind::upload;
      case 1: return Kind::give_up;
      case 2: return Kind::remove;
      case 3:
      case 4: return Kind::store_leases;
      case 5: return Kind::reopen;
      case 12:
      case 13:
      case 14: return Kind::crash;
      case 15: return Kind::fail_next;
      default: return Kind::commit;
    }
  }

  std::size_t size() {
    static constexpr std::size_t kSizes[] = {0, 1, 4, 44, 45, 511, 512, 513, 1500};
    return kSizes[random_() % std::size(kSizes)];
  }

  std::uint64_t offset() {
    static constexpr std::uint64_t kOffsets[] = {0, 1, 43, 44, 45, 500, 512, 1000, 4096};
    const std::uint64_t small = kOffsets[random_() % std::size(kOffsets)];
    return random_() % 6 == 0 ? kLarge + small : small;
  }

  std::string text(std::size_t bytes) {
    return pattern_text(bytes, static_cast<unsigned>(random_() % 200));
  }

  std::vector<LeaseUpdate> leases(std::uint64_t below) {
    std::vector<LeaseUpdate> all;
    for (std::uint64_t n = random_() % below; n > 0; --n) {
      const char letter = static_cast<char>('a' + random_() % 7);
      all.push_back(letter_lease(letter, letter, 1'000 + static_cast<int>(random_() % 1000)));
    }
    return all;
  }

  ShareChange change(ShareNumber number) {
    ShareChange change;
    change.number = number;
    change.remove = random_() % 5 == 0;
    if (change.remove) return change;
    for (std::uint64_t n = random_() % 3; n > 0; --n) {
      change.writes.push_back({offset(), text_source(text(size()))});
    }
    if (random_() % 4 == 0) change.truncate_to = offset();
    change.leases = leases(2);
    return change;
  }

  std::mt19937_64 random_;
  const bool with_faults_;
};

std::string name_of(Operation::Kind kind) {
  switch (kind) {
    case Operation::Kind::upload: return "upload";
    case Operation::Kind::give_up: return "give_up";
    case Operation::Kind::commit: return "commit";
    case Operation::Kind::remove: return "remove";
    case Operation::Kind::store_leases: return "store_leases";
    case Operation::Kind::reopen: return "reopen";
    case Operation::Kind::crash: return "crash";
    case Operation::Kind::fail_next: return "fail_next";
  }
  return "?";
}

}  // namespace

std::vector<StorageIndex> model_indexes() {
  return {test_index(1), test_index(2), test_index(3), test_index(4)};
}

std::vector<Operation> generate(std::uint64_t seed, std::size_t count, bool with_faults) {
  Generator generator(seed, with_faults);
  std::vector<Operation> operations;
  for (std::size_t i = 0; i < count; ++i) operations.push_back(generator.next());
  return operations;
}

std::string to_string(const Operation& op) {
  std::string text =
      fmt::format("{} {}/{}", name_of(op.kind), op.index.to_text().substr(0, 4), op.number);
  if (!op.data.empty()) text += fmt::format(" {} bytes", op.data.size());
  for (const ShareChange& change : op.changes) {
    text += fmt::format(" [{}{}", change.number, change.remove ? " remove" : "");
    for (const auto& write : change.writes) {
      text += fmt::format(" {}+{}", write.offset, write.data->size());
    }
    if (change.truncate_to) text += fmt::format(" cut {}", *change.truncate_to);
    text += fmt::format(" leases {}]", change.leases.size());
  }
  if (!op.leases.empty()) text += fmt::format(" leases {}", op.leases.size());
  if (op.kind == Operation::Kind::crash || op.kind == Operation::Kind::fail_next) {
    text += fmt::format(" after {} calls, error {}, seed {}", op.after_calls, op.error, op.seed);
  }
  return text;
}

}  // namespace sharestore
