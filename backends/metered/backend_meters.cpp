#include "backends/metered/backend_meters.h"

#include <utility>

namespace sharestore {

namespace {

constexpr std::array<std::string_view, 22> kNames = {
    "start",        "stop",       "list",      "create_immutable",
    "write",        "read_back",  "commit",    "abort",
    "open",         "read",       "read_now",  "commit_slot",
    "remove",       "quarantine", "scan",      "load_leases",
    "store_leases", "put_state",  "get_state", "list_state",
    "remove_state", "space"};

// Whether the store has failed, rather than given an answer that the caller may not like.
bool is_failure(Errc code) {
  switch (code) {
    case Errc::unauthorized:
    case Errc::forbidden:
    case Errc::unavailable:
    case Errc::busy:
    case Errc::timed_out:
    case Errc::corrupt:
    case Errc::unsupported:
    case Errc::io_error: return true;
    case Errc::not_found:
    case Errc::already_exists:
    case Errc::conflict:
    case Errc::invalid_argument:
    case Errc::too_large:
    case Errc::no_space:
    case Errc::cancelled: return false;
  }
  return true;
}

}  // namespace

Task<Bytes> BackendMeters::watch_read(Measured operation, Task<Bytes> call) {
  const Monotonic begun = clock_.now();
  Result<Bytes> result = co_await std::move(call);
  note(operation, begun, result ? result->size() : 0, result ? nullptr : &result.error());
  co_return result;
}

void BackendMeters::note(Measured operation, Monotonic begun, std::uint64_t bytes,
                         const Error* error) {
  OperationMeter& meter = this->meter(operation);
  meter.count(bytes);
  meter.time(clock_.now() - begun);
  if (error == nullptr || !is_failure(error->code())) return;
  meter.count_failure();
  const std::lock_guard hold(mutex_);
  last_failure_ = BackendFailure{kNames.at(static_cast<std::size_t>(operation)), error->message(),
                                 clock_.utc_now()};
}

std::vector<BackendOperation> BackendMeters::operations() const {
  static_assert(kNames.size() == kOperations);
  std::vector<BackendOperation> all;
  for (std::size_t i = 0; i < kOperations; ++i) {
    OperationFigures figures = meters_[i].read();
    if (figures.count != 0) all.push_back({kNames[i], std::move(figures)});
  }
  return all;
}

std::optional<BackendFailure> BackendMeters::last_failure() const {
  const std::lock_guard hold(mutex_);
  return last_failure_;
}

}  // namespace sharestore
