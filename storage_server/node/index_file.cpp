#include "storage_server/node/index_file.h"

#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <system_error>
#include <utility>
#include <variant>

#include "backends/core/log.h"
#include "storage_server/node/last_run.h"
#include "storage_server/node/rebuild_run.h"

namespace sharestore {

namespace fs = std::filesystem;

namespace {

constexpr const char* kIndexFile = "index.sqlite";
constexpr const char* kForgetfulIndexFile = "index-memory.sqlite";
constexpr const char* kLastRunName = "node.last-run";
// SQLite keeps what is not yet in the database beside it.
constexpr std::array kSuffixes = {"", "-wal", "-shm"};

fs::path with_suffix(const fs::path& file, std::string_view suffix) {
  fs::path path = file;
  path += suffix;
  return path;
}

void remove_index(const fs::path& file) {
  std::error_code ignored;
  for (const char* suffix : kSuffixes) fs::remove(with_suffix(file, suffix), ignored);
}

// Nothing is deleted: what is moved aside may still be of use to a person.
Result<fs::path> move_aside(const fs::path& file, Clock& clock) {
  fs::path aside = with_suffix(file, fmt::format(".damaged-{}", unix_seconds(clock.utc_now())));
  for (const char* suffix : kSuffixes) {
    std::error_code error;
    fs::rename(with_suffix(file, suffix), with_suffix(aside, suffix), error);
    if (error && error != std::errc::no_such_file_or_directory) {
      return fail(errno_error(error.value(), "cannot move aside " + file.string()));
    }
  }
  return aside;
}

Result<std::string> why_doubt(FullIndex& index, const NodeConfig& config) {
  if (index.is_new()) return "the index is new";
  const auto text = index.get_value(kLastRunName);
  if (!text) return fail(text.error());
  const auto last = text->has_value() ? LastRun::from_text(**text) : std::nullopt;
  if (!last) return "the index does not say when it was last used";
  return reason_to_rescan(*last, config);
}

}  // namespace

Result<std::unique_ptr<FullIndex>> open_node_index(const NodeConfig& config,
                                                   std::size_t memory_bytes, Clock& clock) {
  const bool forgetful = std::holds_alternative<MemoryConfig>(config.storage.backend);
  IndexOptions options;
  options.file = config.storage.storage_directory / (forgetful ? kForgetfulIndexFile : kIndexFile);
  options.memory_bytes = memory_bytes;
  if (std::holds_alternative<DiskConfig>(config.storage.backend)) {
    options.kept_outside = KeptOutside::in_share_files;
  } else if (!forgetful) {
    options.kept_outside = KeptOutside::in_batches;
  }
  if (forgetful) remove_index(options.file);
  auto index = FullIndex::open_full(options, clock);
  if (index || index.error().code() != Errc::corrupt) return index;
  const auto aside = move_aside(options.file, clock);
  if (!aside) return fail(aside.error());
  log::error("{}; it was moved to {} and is built again from the shares while the node serves",
             index.error().message(), aside->string());
  return FullIndex::open_full(options, clock);
}

Task<void> doubt_if_needed(FullIndex& index, const NodeConfig& config, Clock& clock) {
  if (std::holds_alternative<MemoryConfig>(config.storage.backend)) co_return Status{};
  const auto reason = why_doubt(index, config);
  if (!reason) co_return fail(reason.error());
  if (!reason->empty()) {
    log::info("the shares are looked through while the node serves: {}", *reason);
    auto begun = co_await index.begin_rebuild(unix_seconds(clock.utc_now()) + kStarterLeaseSeconds);
    if (!begun) co_return begun;
  }
  co_return co_await note_last_run(index, config);
}

Task<void> note_last_run(FullIndex& index, const NodeConfig& config) {
  co_return co_await index.set_value(kLastRunName, LastRun::now(config).to_text());
}

}  // namespace sharestore
