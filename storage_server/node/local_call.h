// Runs one of the operator's commands in this process, without a socket.
#pragma once

#include <boost/json/object.hpp>

#include <string_view>

#include "backends/core/clock.h"
#include "storage_server/control/client.h"
#include "storage_server/control/command.h"
#include "storage_server/node/control_loop.h"

namespace sharestore {

// Waits for the result; `on_progress` is called on the loop's thread. not_found: no such command.
// Others: the command's own.
Result<boost::json::object> call_locally(ControlLoop& loop, const control::Commands& commands,
                                         Clock& clock, std::string_view command,
                                         const boost::json::object& arguments,
                                         const control::OnProgress& on_progress);

}  // namespace sharestore
