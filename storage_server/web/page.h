// The status page: HTML made by the server, without scripts, for any screen.
//
// Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>

#include "storage_server/web/status.h"

namespace sharestore::web {

// Text for an element or a quoted attribute: markup and control characters stand for themselves,
// whoever wrote them.
std::string escape_html(std::string_view text);

std::string render_page(const NodeStatus& status);

}  // namespace sharestore::web
