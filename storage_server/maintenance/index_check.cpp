#include "storage_server/maintenance/index_check.h"

#include <algorithm>
#include <cstdlib>
#include <string>

#include "backends/core/log.h"

namespace sharestore {

namespace {

constexpr const char* kLastCheck = "check.last";
constexpr std::chrono::hours kLookEvery{1};
constexpr std::size_t kLoggedFindings = 5;

bool is_due(FullIndex& index, Clock& clock) {
  const auto last = index.get_value(kLastCheck);
  if (!last || !last->has_value()) return true;
  const std::int64_t since =
      unix_seconds(clock.utc_now()) - std::strtoll((*last)->c_str(), nullptr, 10);
  // A clock that was set back must not put it off.
  return since < 0 || since >= std::chrono::seconds(kIndexCheckEvery).count();
}

}  // namespace

boost::asio::awaitable<void> run_index_check(FullIndex& index, Clock& clock,
                                             const std::atomic<bool>& stopping) {
  co_await clock.sleep_until(clock.now() + kIndexCheckAfterStart);
  for (; !stopping; co_await clock.sleep_until(clock.now() + kLookEvery)) {
    if (!is_due(index, clock)) continue;
    const auto findings = co_await index.check();
    if (stopping) co_return;
    if (!findings) {
      log::warning("the index could not be checked: {}", findings.error().message());
      continue;
    }
    for (std::size_t i = 0; i < std::min(findings->size(), kLoggedFindings); ++i) {
      log::error("the index is damaged: {}", (*findings)[i]);
    }
    if (!findings->empty()) {
      log::error("restart the node: it then builds a new index from the shares");
      co_return;
    }
    auto noted =
        co_await index.set_value(kLastCheck, std::to_string(unix_seconds(clock.utc_now())));
    if (!noted) log::warning("the index: {}", noted.error().message());
  }
}

}  // namespace sharestore
