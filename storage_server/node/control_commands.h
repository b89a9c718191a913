// The commands that a running node takes on its control socket, all of them.
//
// A new one is a line in add_control_commands: its name and a coroutine that runs on the control
// loop (control/command.h). The command line asks for it with control::ask_node.
#pragma once

#include "storage_server/control/command.h"
#include "storage_server/node/status.h"

namespace sharestore {

// What commands work on; all of it outlives them.
struct ControlParts {
  const StatusSource& status;
};

void add_control_commands(control::Commands& commands, const ControlParts& parts);

}  // namespace sharestore
