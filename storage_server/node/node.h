// A running storage node: every part wired, started in order, and taken down in reverse.
//
// Used from one thread (main's). It owns all of its parts and threads; `stop()` or the destructor
// ends them.
#pragma once

#include <boost/json/object.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backends/core/error.h"
#include "config/node_config.h"
#include "storage_server/control/client.h"
#include "storage_server/grid/publisher.h"

namespace sharestore {

struct NodeOptions {
  // Threads that serve requests; 0: one per core.
  std::size_t workers = 0;
};

class Node {
 public:
  // Returns when clients can connect. Takes the directory (running.process), makes the keys of a
  // new node, opens the index, brings the backend to a clean state, listens.
  //
  // Errors are for the operator: already_exists (another node runs here, or the port is taken),
  // not_found (keys are missing), and those of the parts. Nothing keeps running after an error.
  static Result<std::unique_ptr<Node>> start(NodeConfig config, NodeOptions options = {});
  // Opens the directory of a node that does not run, for perform(): as start(), but nothing is
  // served and no keys are made. already_exists: a node runs here.
  static Result<std::unique_ptr<Node>> open_stopped(NodeConfig config);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // What clients are given; capabilities, not for the log. Empty with `[storage] anonymous =
  // false`.
  const std::vector<std::string>& nurls() const;
  std::uint16_t port() const;
  // What became of announcing to each introducer; empty when none is announced to.
  std::vector<grid::IntroducerState> introducers() const;

  // Runs one of the operator's commands (maintenance_commands.h) and waits for its result;
  // `on_progress` is called on another thread. After open_stopped().
  Result<boost::json::object> perform(std::string_view command,
                                      const boost::json::object& arguments,
                                      const control::OnProgress& on_progress);

  // Stops accepting, finishes what is in flight for up to limits::kDrainBudget, abandons unfinished
  // uploads, and closes everything. True: every request had ended by itself. Repeatable.
  bool stop();

 private:
  struct Parts;
  explicit Node(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace sharestore
