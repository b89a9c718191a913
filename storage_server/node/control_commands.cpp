#include "storage_server/node/control_commands.h"

#include <memory>

namespace sharestore {

namespace json = boost::json;

namespace {

Task<json::object> tell_status(const StatusSource& status) {
  co_return web::to_json(status.read());
}

}  // namespace

void add_control_commands(control::Commands& commands, const ControlParts& parts) {
  commands.add("status", {[&status = parts.status](std::shared_ptr<control::Call>) {
                 return tell_status(status);
               }});
}

}  // namespace sharestore
