// A share store whose answers a test sets, for the paths a real one takes only under duress.
#pragma once

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "storage_server/shares/share_store.h"

namespace sharestore {

// A reader over a text. `at_hand`: whether read_now() can tell.
class TextReader final : public ShareReader {
 public:
  TextReader(std::string text, bool at_hand, std::uint64_t claimed_bytes)
      : text_(std::move(text)), at_hand_(at_hand) {
    info_.data_bytes = claimed_bytes;
  }

  const ShareInfo& info() const override { return info_; }

  std::optional<std::size_t> read_now(std::uint64_t offset, MutableByteSpan into) override {
    if (!at_hand_) return std::nullopt;
    const std::string_view part = cut(offset, into.size());
    std::copy_n(as_byte_span(part).begin(), part.size(), into.begin());
    return part.size();
  }

  Task<Bytes> read(OpContext context, std::uint64_t offset, std::size_t max_bytes) override {
    last_deadline = context.deadline();
    co_return Bytes::copy_of(cut(offset, max_bytes));
  }

  Monotonic last_deadline{};

 private:
  std::string_view cut(std::uint64_t offset, std::size_t size) const {
    return offset >= text_.size() ? std::string_view()
                                  : std::string_view(text_).substr(offset, size);
  }

  std::string text_;
  bool at_hand_;
  ShareInfo info_;
};

class FakeUpload final : public UploadHandle {
 public:
  std::uint64_t allocated_bytes() const override { return allocated; }

  Task<std::uint64_t> ready(OpContext, std::uint64_t offset, std::uint64_t bytes) override {
    asked.emplace_back(offset, bytes);
    if (ready_error) co_return fail(*ready_error);
    co_return std::min(bytes, room);
  }

  Task<void> write(OpContext context, std::uint64_t offset, Bytes data) override {
    budgets.push_back(context.remaining());
    if (on_write) on_write();
    if (write_error) co_return fail(*write_error);
    writes.emplace_back(offset, std::string(data.text()));
    co_return Status();
  }

  Task<UploadProgress> finish_write(OpContext context) override {
    budgets.push_back(context.remaining());
    ++finished;
    if (finish_error) co_return fail(*finish_error);
    co_return progress;
  }

  std::uint64_t allocated = 100;
  std::uint64_t room = std::numeric_limits<std::uint64_t>::max();  // of each ready()
  std::optional<Error> ready_error;
  std::optional<Error> write_error;
  std::optional<Error> finish_error;
  UploadProgress progress;
  std::function<void()> on_write;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> asked;  // offset and size, of ready()
  std::vector<std::pair<std::uint64_t, std::string>> writes;
  std::vector<Duration> budgets;
  int finished = 0;
};

class FakeShareStore final : public ShareStore {
 public:
  Task<void> start(OpContext) override { co_return Status(); }
  boost::asio::awaitable<void> run() override { co_return; }
  Task<void> drain(OpContext) override { co_return Status(); }

  Task<std::size_t> save_leases(OpContext, LeaseBacklog&, std::size_t) override { co_return 0U; }

  Task<bool> remove_if_expired(OpContext, ExpiryView&, ShareId, std::int64_t) override {
    co_return false;
  }
  Task<void> finish_removal(OpContext, ShareId) override { return done(); }
  Task<std::vector<TakenOut>> take_out(OpContext, StorageIndex,
                                       std::optional<ShareNumber>) override {
    co_return std::vector<TakenOut>();
  }
  Task<std::vector<ShareFault>> examine(OpContext, StorageIndex, std::vector<ShareNumber>,
                                        bool) override {
    co_return std::vector<ShareFault>();
  }

  SpaceReport space() const override { return report; }
  StoreActivity activity() const override { return {}; }

  Task<AllocateOutcome> allocate(OpContext, StorageIndex, std::vector<ShareNumber> wanted,
                                 std::uint64_t, LeaseSecrets, Secret) override {
    ++calls;
    if (error) co_return fail(*error);
    co_return AllocateOutcome{{}, std::move(wanted)};
  }
  Result<std::shared_ptr<UploadHandle>> find_upload(ShareId, const Secret&) override {
    ++calls;
    if (error) return fail(*error);
    return upload;
  }
  Task<void> abort_upload(OpContext, ShareId, Secret) override { return done(); }

  std::optional<Result<std::vector<ShareNumber>>> try_list(StorageIndex, ShareKind) override {
    if (!at_hand) return std::nullopt;
    ++calls;
    if (error) return fail(*error);
    return numbers;
  }
  Task<std::vector<ShareNumber>> list(OpContext, StorageIndex, ShareKind) override {
    ++calls;
    if (error) co_return fail(*error);
    co_return numbers;
  }
  std::shared_ptr<ShareReader> try_open(ShareId, ShareKind) override {
    return at_hand ? reader : nullptr;
  }
  Task<std::shared_ptr<ShareReader>> open(OpContext, ShareId, ShareKind) override {
    ++calls;
    if (error) co_return fail(*error);
    co_return reader;
  }
  Task<ReadTestWriteOutcome> read_test_write(OpContext, StorageIndex, Secret, LeaseSecrets,
                                             ReadTestWrite request) override {
    ++calls;
    if (error) co_return fail(*error);
    last_request = std::move(request);
    co_return outcome;
  }
  Task<void> add_lease(OpContext, StorageIndex, LeaseSecrets) override { return done(); }
  Task<void> advise_corrupt(OpContext, ShareId, ShareKind, std::string) override { return done(); }
  Task<bool> exists(OpContext, ShareId) override { co_return true; }

  // Set: every operation fails so.
  std::optional<Error> error;
  bool at_hand = false;
  SpaceReport report{.available_bytes = 1, .max_immutable_bytes = 2, .max_mutable_bytes = 3};
  std::vector<ShareNumber> numbers;
  std::shared_ptr<ShareReader> reader;
  std::shared_ptr<FakeUpload> upload = std::make_shared<FakeUpload>();
  ReadTestWriteOutcome outcome;
  ReadTestWrite last_request;
  int calls = 0;

 private:
  Task<void> done() {
    ++calls;
    if (error) co_return fail(*error);
    co_return Status();
  }
};

}  // namespace sharestore
