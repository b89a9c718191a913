// The meters of one backend, shared by it and its readers and writers.
//
// Any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "backends/metered/metered_backend.h"

namespace sharestore {

enum class Measured : std::uint8_t {
  start,
  stop,
  list,
  create_immutable,
  write,
  read_back,
  commit,
  abort,
  open,
  read,
  read_now,
  commit_slot,
  remove,
  quarantine,
  scan,
  load_leases,
  store_leases,
  put_state,
  get_state,
  list_state,
  remove_state,
  space,
};

class BackendMeters {
 public:
  explicit BackendMeters(Clock& clock) : clock_(clock) {}

  // Awaits the call and counts it.
  template <class T>
  Task<T> watch(Measured operation, Task<T> call, std::uint64_t bytes = 0) {
    const Monotonic begun = clock_.now();
    Result<T> result = co_await std::move(call);
    note(operation, begun, result ? bytes : 0, result ? nullptr : &result.error());
    co_return result;
  }
  // For reads, whose bytes are known at the end only.
  Task<Bytes> watch_read(Measured operation, Task<Bytes> call);

  void count(Measured operation, std::uint64_t bytes) { meter(operation).count(bytes); }

  std::vector<BackendOperation> operations() const;
  std::optional<BackendFailure> last_failure() const;

 private:
  static constexpr std::size_t kOperations = static_cast<std::size_t>(Measured::space) + 1;

  OperationMeter& meter(Measured operation) { return meters_[static_cast<std::size_t>(operation)]; }
  void note(Measured operation, Monotonic begun, std::uint64_t bytes, const Error* error);

  Clock& clock_;
  std::array<OperationMeter, kOperations> meters_;
  mutable std::mutex mutex_;
  std::optional<BackendFailure> last_failure_;
};

}  // namespace sharestore
