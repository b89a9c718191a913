// What an operator's command is to the node: a name and a coroutine.
//
// Commands run on the control loop's single thread, several at a time, and must not block it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "backends/core/op_context.h"
#include "backends/core/task.h"

namespace sharestore::control {

// One run of a command. Lives until its coroutine has ended.
class Call {
 public:
  virtual ~Call() = default;

  virtual const boost::json::object& arguments() const = 0;
  // Ends when the command's budget is used up.
  virtual OpContext context() const = 0;
  // The client went away or the node stops: the command ends soon, at a point where that does no
  // harm. A sleep under way when it happens is cut short; nothing is thrown.
  virtual bool gone() const = 0;
  // Tells the client, and waits until it has taken the line. Dropped when it is gone. One at a
  // time.
  virtual boost::asio::awaitable<void> progress(boost::json::object what) = 0;
};

struct Command {
  // The result is what a program reads; an error's sentence is for a person.
  std::function<Task<boost::json::object>(std::shared_ptr<Call>)> run;
  // How long it may take. Long work names its own bound.
  Duration budget = std::chrono::seconds(30);
};

// The commands of a node, by name. Filled before the server runs, and then only read.
class Commands {
 public:
  // The name is new.
  void add(std::string name, Command command) {
    commands_.emplace(std::move(name), std::move(command));
  }
  // Null: there is none of that name.
  const Command* find(std::string_view name) const {
    const auto found = commands_.find(name);
    return found == commands_.end() ? nullptr : &found->second;
  }

 private:
  std::map<std::string, Command, std::less<>> commands_;
};

}  // namespace sharestore::control
