// How a command of the operator reaches a node: over the control socket of a running one, else the
// directory is opened for it.
//
// Main thread.
#pragma once

#include <boost/json/object.hpp>

#include <string>

#include "backends/core/error.h"
#include "storage_server/cli/command.h"
#include "storage_server/control/client.h"

namespace sharestore::cli {

// The command's result; `on_progress` gets what it tells on its way. Errors are for the operator.
Result<boost::json::object> perform(const std::string& directory, CommandIo& io,
                                    const std::string& command,
                                    const boost::json::object& arguments,
                                    const control::OnProgress& on_progress = {});

// One line on a terminal's standard error that is written over; nothing elsewhere.
class ProgressLine {
 public:
  explicit ProgressLine(CommandIo& io);
  // Leaves the line.
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  void show(const std::string& text);

 private:
  CommandIo& io_;
  const bool is_terminal_;
  std::size_t width_ = 0;
};

}  // namespace sharestore::cli
