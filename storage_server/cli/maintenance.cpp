#include "storage_server/cli/maintenance.h"

#include <unistd.h>

#include <algorithm>
#include <ostream>

#include "config/node_config.h"
#include "storage_server/node/node.h"

namespace sharestore::cli {

namespace json = boost::json;

Result<json::object> perform(const std::string& directory, CommandIo& io,
                             const std::string& command, const json::object& arguments,
                             const control::OnProgress& on_progress) {
  const auto config = load_node_config(directory, io.environment);
  if (!config) return fail(config.error());
  auto node = Node::open_stopped(*config);
  if (node) return (*node)->perform(command, arguments, on_progress);
  if (node.error().code() != Errc::already_exists) return fail(node.error());
  auto answer = control::ask_node(config->node_directory, command, arguments, on_progress);
  if (!answer && answer.error().code() == Errc::not_found) {
    return fail(answer.error().with_context(node.error().message()));
  }
  return answer;
}

ProgressLine::ProgressLine(CommandIo& io) : io_(io), is_terminal_(::isatty(STDERR_FILENO) == 1) {}

ProgressLine::~ProgressLine() {
  if (width_ > 0) io_.err << '\n';
}

void ProgressLine::show(const std::string& text) {
  if (!is_terminal_) return;
  // What a longer line left behind is overwritten.
  const std::size_t blanks = width_ > text.size() ? width_ - text.size() : 0;
  io_.err << '\r' << text << std::string(blanks, ' ') << std::flush;
  width_ = std::max(text.size(), std::size_t{1});
}

}  // namespace sharestore::cli
