// What the conformance tests share: an open backend and short ways to do ordinary things with it.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/conformance/backend_cases.h"
#include "tests/support/run_task.h"
#include "tests/support/test_data.h"

namespace sharestore {

class BackendConformance : public testing::TestWithParam<BackendCase> {
 protected:
  BackendConformance() : world_(GetParam().make_world()) { reopen(); }
  ~BackendConformance() override {
    reader_.reset();
    close();
  }

  // Stops the backend, if one is open, and opens the next over the same store.
  void reopen() {
    close();
    backend_ = world_->open_backend();
    const Status started = run_task(backend_->start(context()));
    EXPECT_TRUE(started) << (started ? "" : started.error().message());
  }
  void close() {
    if (!backend_) return;
    EXPECT_TRUE(run_task(backend_->stop(context())));
    backend_.reset();
  }

  OpContext context() { return world_->clock.context(); }
  Backend& backend() { return *backend_; }
  bool persistent() { return backend_->traits().persistent; }
  bool keeps_leases() { return backend_->traits().keeps_leases; }

  Result<std::unique_ptr<ShareWriter>> create(ShareId share, std::uint64_t size) {
    // As the layer above does: the upload's row comes before the backend's part.
    world_->journal.begin_upload({share, size, 0, ""});
    return run_task(backend_->create_immutable(context(), {share, size}));
  }
  Status write(ShareWriter& writer, std::uint64_t offset, std::string_view text) {
    return run_task(writer.write(context(), offset, Bytes::copy_of(text)));
  }
  // A whole immutable share.
  Result<ShareInfo> upload(ShareId share, std::string_view text, Leases leases = {}) {
    auto writer = create(share, text.size());
    if (!writer) return fail(writer.error());
    if (Status ok = write(**writer, 0, text); !ok) return fail(ok.error());
    return run_task((*writer)->commit(context(), std::move(leases)));
  }

  Result<std::shared_ptr<ShareReader>> open(ShareId share) {
    return run_task(backend_->open(context(), share));
  }
  std::string read(ShareReader& reader, std::uint64_t offset, std::size_t bytes) {
    const auto got = run_task(reader.read(context(), offset, bytes));
    EXPECT_TRUE(got) << (got ? "" : got.error().message());
    return got ? std::string(got->text()) : "";
  }
  // The whole share, or "<code>" where it cannot be opened.
  std::string content(ShareId share) {
    const auto reader = open(share);
    if (!reader) return "<" + std::string(to_string(reader.error().code())) + ">";
    return read(**reader, 0, (*reader)->info().data_bytes + 1);
  }

  static ShareChange writes(ShareNumber number,
                            std::vector<std::pair<std::uint64_t, std::string>> writes,
                            std::optional<std::uint64_t> truncate_to = std::nullopt) {
    ShareChange change;
    change.number = number;
    for (auto& [offset, text] : writes) change.writes.push_back({offset, text_source(text)});
    change.truncate_to = truncate_to;
    return change;
  }
  static ShareChange removal(ShareNumber number) {
    ShareChange change;
    change.number = number;
    change.remove = true;
    return change;
  }
  Result<std::vector<ShareInfo>> commit(StorageIndex index, std::vector<ShareChange> changes,
                                        char enabler = 'W') {
    return run_task(
        backend_->commit_slot(context(), {index, letter_secret(enabler), std::move(changes)}));
  }

  std::vector<ShareNumber> numbers(StorageIndex index) {
    const auto shares = run_task(backend_->list(context(), index, {}));
    EXPECT_TRUE(shares);
    std::vector<ShareNumber> out;
    for (const ShareInfo& info : *shares) out.push_back(info.number);
    return out;
  }

  // Every page of a scan.
  std::map<ShareId, ScannedShare> scan_all(std::size_t limit) {
    std::map<ShareId, ScannedShare> all;
    ScanCursor cursor;
    for (int page = 0; page < 10000; ++page) {
      const auto got = run_task(backend_->scan(context(), cursor, limit));
      EXPECT_TRUE(got) << (got ? "" : got.error().message());
      if (!got) return all;
      EXPECT_LE(got->shares.size(), limit);
      for (const ScannedShare& share : got->shares) {
        EXPECT_TRUE(all.emplace(share.share, share).second) << "twice: " << share.share.to_text();
      }
      if (got->finished) return all;
      cursor = got->next;
    }
    ADD_FAILURE() << "the scan does not end";
    return all;
  }

  std::unique_ptr<BackendWorld> world_;
  std::unique_ptr<Backend> backend_;
  // A reader that a test keeps; goes before the backend does.
  std::shared_ptr<ShareReader> reader_;
};

const StorageIndex kIndexA = test_index(1);
const StorageIndex kIndexB = test_index(2);

}  // namespace sharestore
