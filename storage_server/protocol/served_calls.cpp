#include "storage_server/protocol/served_calls.h"

namespace sharestore {

std::string_view to_string(ServedCall call) {
  switch (call) {
    case ServedCall::version: return "version";
    case ServedCall::allocate: return "allocate";
    case ServedCall::write: return "write";
    case ServedCall::close: return "close";
    case ServedCall::abort: return "abort";
    case ServedCall::list_immutable: return "list_immutable";
    case ServedCall::list_mutable: return "list_mutable";
    case ServedCall::read_immutable: return "read_immutable";
    case ServedCall::read_mutable: return "read_mutable";
    case ServedCall::read_test_write: return "read_test_write";
    case ServedCall::add_lease: return "add_lease";
    case ServedCall::advise_corrupt: return "advise_corrupt";
  }
  return "unknown";
}

ServedCall served_call(const Route& route) {
  const bool immutable = route.kind == ShareKind::immutable;
  switch (route.endpoint) {
    case Endpoint::version: break;
    case Endpoint::add_lease: return ServedCall::add_lease;
    case Endpoint::allocate: return ServedCall::allocate;
    case Endpoint::write_upload: return ServedCall::write;
    case Endpoint::abort_upload: return ServedCall::abort;
    case Endpoint::list_shares:
      return immutable ? ServedCall::list_immutable : ServedCall::list_mutable;
    case Endpoint::read_share:
      return immutable ? ServedCall::read_immutable : ServedCall::read_mutable;
    case Endpoint::advise_corrupt: return ServedCall::advise_corrupt;
    case Endpoint::read_test_write: return ServedCall::read_test_write;
  }
  return ServedCall::version;
}

}  // namespace sharestore
