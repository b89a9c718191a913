// How often each call of the protocol was served and how long that took.
//
// Any thread. A call is one endpoint, or a part of what one does that operators count apart. Only
// calls that succeeded count; what was refused shows in the transport's answers by status.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "backends/core/operation_meter.h"
#include "storage_server/protocol/route.h"

namespace sharestore {

enum class ServedCall : std::uint8_t {
  version,
  allocate,
  write,
  close,  // the write that completed an upload; its bytes are the shares'
  abort,
  list_immutable,
  list_mutable,
  read_immutable,
  read_mutable,
  read_test_write,
  add_lease,
  advise_corrupt,
};
inline constexpr std::size_t kServedCalls =
    static_cast<std::size_t>(ServedCall::advise_corrupt) + 1;

// "read_immutable" and so on.
std::string_view to_string(ServedCall call);
ServedCall served_call(const Route& route);

class ServedCalls {
 public:
  OperationMeter& operator[](ServedCall call) { return meters_[static_cast<std::size_t>(call)]; }
  OperationFigures read(ServedCall call) const {
    return meters_[static_cast<std::size_t>(call)].read();
  }

 private:
  std::array<OperationMeter, kServedCalls> meters_;
};

}  // namespace sharestore
