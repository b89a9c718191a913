#include "storage_server/node/local_call.h"

#include <memory>
#include <string>
#include <utility>

namespace sharestore {

namespace json = boost::json;

namespace {

class LocalCall final : public control::Call {
 public:
  LocalCall(OpContext context, json::object arguments, control::OnProgress on_progress)
      : context_(context), arguments_(std::move(arguments)), on_progress_(std::move(on_progress)) {}

  const json::object& arguments() const override { return arguments_; }
  OpContext context() const override { return context_; }
  bool gone() const override { return false; }
  boost::asio::awaitable<void> progress(json::object what) override {
    if (on_progress_) on_progress_(what);
    co_return;
  }

 private:
  const OpContext context_;
  const json::object arguments_;
  const control::OnProgress on_progress_;
};

}  // namespace

Result<json::object> call_locally(ControlLoop& loop, const control::Commands& commands,
                                  Clock& clock, std::string_view command,
                                  const json::object& arguments,
                                  const control::OnProgress& on_progress) {
  const control::Command* found = commands.find(command);
  if (found == nullptr) {
    return fail(Errc::not_found, "there is no command '" + std::string(command) + "'");
  }
  const OpContext context(clock, clock.now() + found->budget);
  return loop.run(found->run(std::make_shared<LocalCall>(context, arguments, on_progress)));
}

}  // namespace sharestore
