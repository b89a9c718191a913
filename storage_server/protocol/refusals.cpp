#include "storage_server/protocol/refusals.h"

#include <fmt/format.h>

#include <utility>

namespace sharestore {

std::optional<std::string> Refusals::note(Monotonic now, int status, std::string_view request,
                                          const Error& error) {
  const std::lock_guard hold(mutex_);
  if (told_at_ && now - *told_at_ < kPause) {
    ++untold_;
    return std::nullopt;
  }
  told_at_ = now;
  const std::uint64_t others = std::exchange(untold_, 0);
  std::string line = fmt::format("answered {} with {}: {}", request, status, error.message());
  if (others > 0) line += fmt::format(" ({} other requests refused since the last line)", others);
  return line;
}

}  // namespace sharestore
