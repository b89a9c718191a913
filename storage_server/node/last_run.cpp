#include "storage_server/node/last_run.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <system_error>

namespace sharestore {

namespace {

constexpr std::int64_t kNanosecondsPerSecond = 1'000'000'000;

std::int64_t file_time_ns(const std::filesystem::path& file) {
  struct stat info{};
  if (::stat(file.c_str(), &info) != 0) return 0;
  return info.st_mtim.tv_sec * kNanosecondsPerSecond + info.st_mtim.tv_nsec;
}

std::array<std::filesystem::path, LastRun::kFiles> witnesses(const NodeConfig& config) {
  return {config.node_directory / "my_nodeid", config.private_directory / "logport.furl",
          config.storage.storage_directory / "lease_checker.state.json",
          config.storage.storage_directory / "bucket_counter.state.json"};
}

}  // namespace

LastRun LastRun::now(const NodeConfig& config) {
  LastRun run;
  run.backend = backend_name(config.storage.backend);
  std::ranges::transform(witnesses(config), run.modified_at_ns.begin(), file_time_ns);
  return run;
}

std::string LastRun::to_text() const {
  return fmt::format("{} {}", fmt::join(modified_at_ns, " "), backend);
}

std::optional<LastRun> LastRun::from_text(const std::string& text) {
  LastRun last;
  const char* at = text.data();
  const char* const end = at + text.size();
  for (std::int64_t& time : last.modified_at_ns) {
    const auto [after, error] = std::from_chars(at, end, time);
    if (error != std::errc() || after == end || *after != ' ') return std::nullopt;
    at = after + 1;
  }
  last.backend.assign(at, end);
  return last;
}

std::string reason_to_rescan(const LastRun& last, const NodeConfig& config) {
  const LastRun now = LastRun::now(config);
  if (last.backend != now.backend) {
    return fmt::format("the backend was {} and is {}", last.backend, now.backend);
  }
  const auto files = witnesses(config);
  for (std::size_t i = 0; i < LastRun::kFiles; ++i) {
    if (now.modified_at_ns[i] != last.modified_at_ns[i]) {
      return fmt::format(
          "another program ran on this directory ({} has changed since our last run)",
          files[i].string());
    }
  }
  return {};
}

}  // namespace sharestore
