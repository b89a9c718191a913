// An open disk backend over a FileSystem of the test's choice.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backends/disk/disk_backend.h"
#include "tests/support/fake_clock.h"
#include "tests/support/memory_journal.h"
#include "tests/support/run_task.h"
#include "tests/support/test_data.h"

namespace sharestore {

// For names of cases.
inline std::string mode_suffix(SyncMode mode) {
  switch (mode) {
    case SyncMode::automatic: return "";
    case SyncMode::write_out: return "_write_out";
    case SyncMode::sync_files: return "_sync_files";
    case SyncMode::per_file: return "_per_file";
  }
  return "_unknown";
}

// Small changes go through the redo log, or to their files at once. Files are made when they are
// asked for only, so that what happens when does not depend on the time.
enum class SmallChanges { logged, at_once };
inline std::string log_suffix(SmallChanges small) {
  return small == SmallChanges::logged ? "_logged" : "";
}
inline void choose(SmallChanges small, DiskOptions& options) {
  constexpr std::uint64_t kLogBytes = 256 * 1024;
  options.redo_log_bytes = small == SmallChanges::logged ? kLogBytes : 0;
  options.make_files_after = std::chrono::hours(1);
}

class DiskFixture {
 public:
  explicit DiskFixture(DiskOptions options) : options_(std::move(options)) {}

  // Stops the backend, if any, and opens the next over the same store.
  Status reopen() {
    backend.reset();
    auto made = make_disk_backend(options_, journal, pool, clock);
    if (!made) return fail(made.error());
    backend = std::move(*made);
    return run_task(backend->start(context()));
  }

  OpContext context() { return clock.context(); }

  Result<ShareInfo> upload(ShareId share, std::string_view text, Leases leases = {},
                           std::size_t piece = 0) {
    auto writer = run_task(backend->create_immutable(context(), {share, text.size()}));
    if (!writer) return fail(writer.error());
    if (piece == 0) piece = text.size();
    for (std::size_t at = 0; at < text.size(); at += piece) {
      Status wrote =
          run_task((*writer)->write(context(), at, Bytes::copy_of(text.substr(at, piece))));
      if (!wrote) return fail(wrote.error());
    }
    return run_task((*writer)->commit(context(), std::move(leases)));
  }

  static ShareChange change(ShareNumber number,
                            std::vector<std::pair<std::uint64_t, std::string>> writes,
                            std::optional<std::uint64_t> truncate_to = std::nullopt,
                            std::vector<LeaseUpdate> leases = {}) {
    ShareChange change;
    change.number = number;
    for (auto& [offset, text] : writes) change.writes.push_back({offset, text_source(text)});
    change.truncate_to = truncate_to;
    change.leases = std::move(leases);
    return change;
  }
  static ShareChange removal(ShareNumber number) {
    ShareChange change;
    change.number = number;
    change.remove = true;
    return change;
  }
  Result<std::vector<ShareInfo>> commit(StorageIndex index, std::vector<ShareChange> changes) {
    return run_task(
        backend->commit_slot(context(), {index, letter_secret('W'), std::move(changes)}));
  }

  // Makes the files of what was logged.
  Status settle(StorageIndex index) {
    const auto listed = run_task(backend->list(context(), index, {}));
    return listed ? Status() : fail(listed.error());
  }

  // The whole share, or "<code>".
  std::string content(ShareId share) {
    const auto reader = run_task(backend->open(context(), share));
    if (!reader) return "<" + std::string(to_string(reader.error().code())) + ">";
    const auto data = run_task((*reader)->read(context(), 0, (*reader)->info().data_bytes + 1));
    if (!data) return "<" + std::string(to_string(data.error().code())) + ">";
    return std::string(data->text());
  }

  FakeClock clock;
  MemoryJournal journal;
  IoPool pool{2};
  std::unique_ptr<Backend> backend;

 private:
  DiskOptions options_;
};

}  // namespace sharestore
