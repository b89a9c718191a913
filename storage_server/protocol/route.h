// Which endpoint a method and path name.
//
// Pure functions; any thread. Paths: gbs-protocol.md section 2 "Path grammar".
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "backends/backend.h"
#include "backends/core/storage_index.h"
#include "storage_server/http/message.h"

namespace sharestore {

enum class Endpoint : std::uint8_t {
  version,
  add_lease,
  allocate,
  write_upload,
  abort_upload,
  list_shares,
  read_share,
  advise_corrupt,
  read_test_write,
};

struct Route {
  Endpoint endpoint = Endpoint::version;
  // immutable unless the path says mutable.
  ShareKind kind = ShareKind::immutable;
  StorageIndex storage_index;
  // Where the path names a share. Nothing for a number beyond 64 bits: no share has it.
  std::optional<ShareNumber> number;
};

struct RouteMatch {
  enum class Outcome : std::uint8_t { found, no_such_path, wrong_method };
  Outcome outcome = Outcome::no_such_path;
  Route route;
  // With wrong_method: the methods of the path, as the Allow header lists them. Static text.
  std::string_view allowed;
};

// HEAD goes where GET goes. `path` has no query.
RouteMatch match_route(http::Method method, std::string_view path);

}  // namespace sharestore
