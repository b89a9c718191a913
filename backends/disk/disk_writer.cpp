#include "backends/disk/disk_writer.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "backends/share_file/leases.h"

namespace sharestore {
namespace {

// A share that arrives in one piece of at most this is kept in memory until commit, which follows
// at once.
constexpr std::size_t kWholeShareBytes = 256 * 1024;
// Beyond so many uploads with an open file, files are opened anew for each write.
constexpr std::size_t kMaxOpenUploads = 1024;

// The blocking side: used by one job at a time.
class Upload {
 public:
  Upload(DiskParts& parts, ShareId share, std::uint64_t size)
      : parts_(parts), share_(share), size_(size), path_(parts.layout.upload(share)) {}
  ~Upload() {
    if (!moved_) forget_file();
    if (file_.is_open()) --parts_.open_uploads;
  }
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;

  std::uint64_t size() const { return size_; }
  ShareId share() const { return share_; }
  int fd() const { return file_.fd(); }
  bool holds_whole() const { return whole_.size() == size_ && !created_; }
  // The share file, where the share is held whole.
  Bytes whole_file(const Leases& leases) const {
    return Bytes::copy_of(
        encode_immutable_header(2, size_, static_cast<std::uint32_t>(leases.size())) +
        std::string(whole_.text()) + encode_immutable_leases(leases));
  }
  const Bytes& whole() const { return whole_; }
  void keep_whole(Bytes data) { whole_ = std::move(data); }

  Status write(std::uint64_t offset, ByteSpan data) {
    if (Status ok = need_file(); !ok) return ok;
    if (Status ok = file_.write(kImmutableHeaderBytes + offset, data); !ok) return ok;
    send_to_disk(kImmutableHeaderBytes + offset, data.size());
    close_if_many();
    return {};
  }

  Result<Bytes> read_back(std::uint64_t offset, std::size_t bytes) {
    if (Status ok = need_file(); !ok) return fail(ok.error());
    std::vector<std::byte> buffer(bytes);
    if (Status ok = file_.read(kImmutableHeaderBytes + offset, buffer); !ok) {
      return fail(ok.error());
    }
    close_if_many();
    return Bytes(std::move(buffer));
  }

  // Header and leases; the file then has its final bytes, and those of a large one are on disk.
  Status finish(const Leases& leases) {
    if (holds_whole()) {
      const Bytes file = whole_file(leases);
      if (Status ok = open_file(); !ok) return ok;
      Status ok = file_.write(0, file.span());
      if (!ok) forget_file();
      return ok;
    }
    const std::string records = encode_immutable_leases(leases);
    const auto count = static_cast<std::uint32_t>(leases.size());
    const std::string header = encode_immutable_header(2, size_, count);
    if (Status ok = need_file(); !ok) return ok;
    if (Status ok = file_.write(0, as_byte_span(header)); !ok) return ok;
    const std::uint64_t lease_offset = kImmutableHeaderBytes + size_;
    if (Status ok = file_.truncate(lease_offset + records.size()); !ok) return ok;
    if (Status ok = file_.write(lease_offset, as_byte_span(records)); !ok) return ok;
    if (size_ <= kSmallFileBytes) return {};
    // Here and not in the shared batch, which should not wait for one large file.
    const int synced = parts_.files.sync_data(file_.fd());
    if (synced < 0) {
      const Error error = file_error(synced, "sync of " + share_.to_text());
      parts_.durable.poison(error.message());
      return fail(error);
    }
    return {};
  }

  // Gives the share its name; on the committer's thread.
  Status publish() {
    const std::string target = parts_.layout.share(share_);
    FileStat there;
    if (parts_.files.stat(target, there) == 0) {
      return fail(Errc::already_exists, share_.to_text() + ": a share of that name is there");
    }
    if (Status ok = make_share_directories(parts_.files, parts_.layout, share_.storage_index);
        !ok) {
      return ok;
    }
    const int result = parts_.files.rename(path_, target);
    if (result < 0) return fail(file_error(result, share_.to_text()));
    moved_ = true;
    return {};
  }

 private:
  Status open_file() {
    if (file_.is_open()) return {};
    const int flags = O_RDWR | (created_ ? 0 : O_CREAT | O_TRUNC);
    auto file = File::open(parts_.files, path_, flags, share_.to_text());
    if (!file) return fail(file.error());
    ++parts_.open_uploads;
    created_ = true;
    file_ = std::move(*file);
    return {};
  }

  // Removing the name is quick; the bytes are freed behind.
  void forget_file() {
    if (created_) parts_.files.unlink(path_);
    created_ = false;
    if (!file_.is_open()) return;
    --parts_.open_uploads;
    parts_.durable.dispose(std::move(file_));
  }

  // The file with its full size, and in it what was held in memory.
  Status need_file() {
    if (file_.is_open()) return {};
    const bool fresh = !created_;
    if (Status ok = open_file(); !ok) return ok;
    if (!fresh) return {};
    const std::string header = encode_immutable_header(2, size_, 0);
    if (Status ok = file_.truncate(immutable_file_bytes(size_, 1)); !ok) return ok;
    if (Status ok = file_.write(0, as_byte_span(header)); !ok) return ok;
    const Bytes held = std::exchange(whole_, {});
    return file_.write(kImmutableHeaderBytes, held.span());
  }

  void send_to_disk(std::uint64_t offset, std::uint64_t length) {
    unsent_begin_ = unsent_bytes_ == 0 ? offset : std::min(unsent_begin_, offset);
    unsent_end_ = std::max(unsent_end_, offset + length);
    unsent_bytes_ += length;
    if (unsent_bytes_ < kWriteOutBytes) return;
    parts_.files.begin_write_out(file_.fd(), unsent_begin_, unsent_end_ - unsent_begin_);
    unsent_bytes_ = unsent_end_ = 0;
  }

  void close_if_many() {
    if (parts_.open_uploads <= kMaxOpenUploads) return;
    file_.close();
    --parts_.open_uploads;
  }

  DiskParts& parts_;
  const ShareId share_;
  const std::uint64_t size_;
  const std::string path_;
  File file_;
  bool created_ = false;
  bool moved_ = false;
  Bytes whole_;
  std::uint64_t unsent_begin_ = 0;
  std::uint64_t unsent_end_ = 0;
  std::uint64_t unsent_bytes_ = 0;
};

class DiskWriter final : public ShareWriter {
 public:
  DiskWriter(DiskParts& parts, NewShare share)
      : parts_(parts),
        recorded_(std::move(share.recorded)),
        upload_(std::make_shared<Upload>(parts, share.share, share.size_bytes)) {}

  Task<void> write(OpContext /*context*/, std::uint64_t offset, Bytes data) override {
    if (Status ok = check_range(offset, data.size()); !ok) co_return ok;
    if (data.empty()) co_return Status{};
    if (!upload_->holds_whole() && untouched_ && offset == 0 && data.size() == upload_->size() &&
        data.size() <= kWholeShareBytes) {
      untouched_ = false;
      upload_->keep_whole(std::move(data));
      co_return Status{};
    }
    untouched_ = false;
    co_return co_await parts_.pool.run([upload = upload_, offset, data = std::move(data)] {
      return upload->write(offset, data.span());
    });
  }

  Task<Bytes> read_back(OpContext /*context*/, std::uint64_t offset, std::size_t bytes) override {
    if (Status ok = check_range(offset, bytes); !ok) co_return fail(ok.error());
    if (upload_->holds_whole()) co_return upload_->whole().slice(offset, bytes);
    untouched_ = false;
    co_return co_await parts_.pool.run(
        [upload = upload_, offset, bytes] { return upload->read_back(offset, bytes); });
  }

  Task<ShareInfo> commit(OpContext /*context*/, Leases leases) override {
    if (Status ok = check_range(0, 0); !ok) co_return fail(ok.error());
    if (Status ok = parts_.durable.writable(); !ok) co_return fail(ok.error());
    if (leases.size() > kMaxLeasesPerShare) {
      co_return fail(Errc::invalid_argument, "too many leases for one share");
    }
    ShareInfo info;
    info.number = upload_->share().number;
    info.data_bytes = upload_->size();
    info.stored_bytes =
        immutable_file_bytes(info.data_bytes, static_cast<std::uint32_t>(leases.size()));
    if (upload_->holds_whole() && info.stored_bytes <= kMaxLoggedFileBytes) {
      const auto logged = co_await commit_logged(leases);
      if (!logged) co_return fail(logged.error());
      if (*logged) co_return info;
    }
    if (recorded_) {
      Status begun = co_await parts_.journal.begin_slot_writes({upload_->share().storage_index});
      if (!begun) co_return fail(begun.error());
    }
    Status done = co_await parts_.pool.run(
        [upload = upload_, leases = std::move(leases)] { return upload->finish(leases); });
    if (!done) co_return fail(done.error());
    DurableFiles::Change change;
    change.files = {upload_->fd()};
    change.publish = [upload = upload_] { return upload->publish(); };
    change.directories = share_directories(parts_.layout, upload_->share().storage_index);
    done = co_await parts_.durable.commit(std::move(change));
    if (!done) co_return fail(done.error());
    upload_.reset();
    co_return info;
  }

  Task<void> abort(OpContext /*context*/) override {
    if (!upload_) co_return Status{};
    co_return co_await parts_.pool.run([upload = std::move(upload_)]() mutable {
      upload.reset();
      return Status{};
    });
  }

 private:
  // False: nothing happened, the share must become a file at once.
  Task<bool> commit_logged(const Leases& leases) {
    const Bytes file = upload_->whole_file(leases);
    const auto header = parse_share_header(
        file.span().first(std::min(file.size(), kShareHeaderBytes)), file.size());
    if (!header) co_return fail(header.error());
    const ShareId share = upload_->share();
    if (parts_.recent.find(share)) {
      co_return fail(Errc::already_exists, share.to_text() + ": a share of that name is there");
    }
    NewVersion made{share, std::make_shared<RecentVersion>(file, *header, share.number), {}};
    auto logged = co_await parts_.recent.commit({std::move(made)}, recorded_);
    if (logged && *logged) upload_.reset();
    co_return logged;
  }

  Status check_range(std::uint64_t offset, std::uint64_t bytes) const {
    if (!upload_) return fail(Errc::invalid_argument, "the upload has ended");
    if (offset > upload_->size() || bytes > upload_->size() - offset) {
      return fail(Errc::invalid_argument, upload_->share().to_text() + ": beyond the share's end");
    }
    return {};
  }

  DiskParts& parts_;
  const RecordedFlag recorded_;
  std::shared_ptr<Upload> upload_;
  bool untouched_ = true;
};

}  // namespace

Task<std::unique_ptr<ShareWriter>> create_disk_writer(DiskParts& parts, NewShare wanted) {
  const ShareId share = wanted.share;
  if (Status ok = parts.durable.writable(); !ok) co_return fail(ok.error());
  if (wanted.size_bytes > (std::uint64_t{1} << 63) - kShareHeaderBytes) {
    co_return fail(Errc::too_large, share.to_text() + ": no file can be so large");
  }
  int found = parts.recent.find(share) ? 0 : -ENOENT;
  if (found < 0 && !wanted.known_absent) {
    found = co_await parts.pool.run([&parts, share] {
      FileStat info;
      return parts.files.stat(parts.layout.share(share), info);
    });
  }
  if (found == 0) {
    co_return fail(Errc::already_exists, share.to_text() + ": a share of that name is there");
  }
  if (found != -ENOENT && found != -ENOTDIR) co_return fail(file_error(found, share.to_text()));
  co_return std::make_unique<DiskWriter>(parts, std::move(wanted));
}

}  // namespace sharestore
