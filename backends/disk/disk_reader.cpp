#include "backends/disk/disk_reader.h"

#include <fcntl.h>

#include <algorithm>
#include <utility>

namespace sharestore {
namespace {

// How many of `bytes` at `offset` a share of `data_bytes` has.
std::size_t clipped(std::uint64_t offset, std::size_t bytes, std::uint64_t data_bytes) {
  if (offset >= data_bytes) return 0;
  return static_cast<std::size_t>(std::min<std::uint64_t>(bytes, data_bytes - offset));
}

class DiskReader final : public ShareReader, public std::enable_shared_from_this<DiskReader> {
 public:
  DiskReader(DiskParts& parts, OpenShare share, ShareInfo info, GatePass pass)
      : parts_(parts),
        file_(std::move(share.file)),
        data_offset_(share.header.data_offset),
        info_(info),
        pass_(std::move(pass)) {}

  const ShareInfo& info() const override { return info_; }

  std::optional<std::size_t> read_now(std::uint64_t offset, MutableByteSpan into) override {
    const std::size_t length = clipped(offset, into.size(), info_.data_bytes);
    if (length == 0) return 0;
    const std::int64_t got =
        parts_.files.pread_now(file_.fd(), into.first(length), data_offset_ + offset);
    // A part of it is of no use: the rest would have to be waited for.
    if (got < 0 || static_cast<std::size_t>(got) != length) return std::nullopt;
    return length;
  }

  Task<Bytes> read(OpContext /*context*/, std::uint64_t offset, std::size_t max_bytes) override {
    const std::size_t length = clipped(offset, max_bytes, info_.data_bytes);
    if (length == 0) co_return Bytes();
    co_return co_await parts_.pool.run([self = shared_from_this(), offset, length] {
      return self->read_blocking(offset, length);
    });
  }

 private:
  Result<Bytes> read_blocking(std::uint64_t offset, std::size_t length) const {
    // Not zeroed first: read() fills all of it or fails.
    const std::shared_ptr<std::byte[]> buffer = std::make_shared_for_overwrite<std::byte[]>(length);
    const MutableByteSpan span(buffer.get(), length);
    if (Status ok = file_.read(data_offset_ + offset, span); !ok) return fail(ok.error());
    return Bytes(buffer, span);
  }

  DiskParts& parts_;
  File file_;
  std::uint64_t data_offset_;
  ShareInfo info_;
  GatePass pass_;
};

// A share whose file was not made yet when it was opened.
class RecentReader final : public ShareReader {
 public:
  RecentReader(DiskParts& parts, std::shared_ptr<RecentVersion> version)
      : parts_(parts), version_(std::move(version)) {}

  const ShareInfo& info() const override { return version_->info(); }

  std::optional<std::size_t> read_now(std::uint64_t offset, MutableByteSpan into) override {
    const std::size_t length = clipped(offset, into.size(), info().data_bytes);
    if (length == 0) return 0;
    const std::int64_t got = version_->read(parts_.files, offset, into.first(length), false);
    if (got < 0 || static_cast<std::size_t>(got) != length) return std::nullopt;
    return length;
  }

  Task<Bytes> read(OpContext /*context*/, std::uint64_t offset, std::size_t max_bytes) override {
    std::vector<std::byte> bytes(clipped(offset, max_bytes, info().data_bytes));
    if (bytes.empty()) co_return Bytes();
    if (read_now(offset, bytes)) co_return Bytes(std::move(bytes));
    co_return co_await parts_.pool.run([&parts = parts_, version = version_, offset,
                                        bytes = std::move(bytes)]() mutable -> Result<Bytes> {
      const std::int64_t got = version->read(parts.files, offset, bytes, true);
      if (got < 0) return fail(file_error(got, "read"));
      return Bytes(std::move(bytes));
    });
  }

 private:
  DiskParts& parts_;
  const std::shared_ptr<RecentVersion> version_;
};

}  // namespace

Task<std::shared_ptr<ShareReader>> open_disk_reader(DiskParts& parts, ShareId share) {
  if (auto recent = parts.recent.find(share)) {
    co_return std::make_shared<RecentReader>(parts, std::move(recent));
  }
  if (Status entered = co_await parts.gate.enter(share); !entered) co_return fail(entered.error());
  GatePass pass(parts.gate, share);
  auto opened = co_await parts.pool.run(
      [&parts, share] { return open_share_file(parts.files, parts.layout, share, O_RDONLY); });
  if (!opened) co_return fail(opened.error());
  const ShareInfo info = to_share_info(share.number, opened->header);
  // Only a large mutable file is ever changed in place; see ShareGate.
  if (info.kind == ShareKind::immutable || info.stored_bytes <= kSmallFileBytes) pass.leave();
  co_return std::make_shared<DiskReader>(parts, std::move(*opened), info, std::move(pass));
}

}  // namespace sharestore
