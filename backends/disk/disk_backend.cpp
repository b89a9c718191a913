#include "backends/disk/disk_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "backends/core/limits.h"
#include "backends/disk/disk_leases.h"
#include "backends/disk/disk_parts.h"
#include "backends/disk/disk_reader.h"
#include "backends/disk/disk_scan.h"
#include "backends/disk/disk_writer.h"
#include "backends/disk/slot_commit.h"
#include "backends/disk/state_files.h"

namespace sharestore {
namespace {

// Names tried for one share in quarantine within one second.
constexpr int kMaxQuarantineNames = 1000;

Status make_directory(FileSystem& files, const std::string& path) {
  const int result = files.make_directory(path);
  if (result < 0 && result != -EEXIST) return fail(file_error(result, "make " + path));
  return {};
}

class DiskBackend final : public Backend {
 public:
  DiskBackend(FileSystem& files, DiskLayout layout, const DiskOptions& options, Journal& journal,
              IoPool& pool, Clock& clock)
      : parts_(files, std::move(layout), pool, journal, clock, options), scanner_(parts_) {
    traits_.name = "disk";
    traits_.keeps_leases = true;
    traits_.remembered_share_bytes = options.redo_log_bytes == 0 ? 0 : kMaxLoggedShareBytes;
  }

  const BackendTraits& traits() const override { return traits_; }

  Task<void> start(OpContext /*context*/) override {
    if (Status done = co_await complete_disk_intents(parts_); !done) co_return done;
    if (Status done = co_await parts_.pool.run([this] { return clean(); }); !done) co_return done;
    co_return co_await parts_.recent.recover();
  }
  // What was acknowledged is durable; now it is in share files too.
  Task<void> stop(OpContext /*context*/) override { co_return co_await parts_.recent.finish(); }

  Task<std::vector<ShareInfo>> list(OpContext /*context*/, StorageIndex storage_index,
                                    std::vector<ShareNumber> /*known*/) override {
    if (Status ok = co_await parts_.recent.settle(storage_index); !ok) co_return fail(ok.error());
    co_return co_await scanner_.list(storage_index);
  }
  Task<std::unique_ptr<ShareWriter>> create_immutable(OpContext /*context*/,
                                                      NewShare share) override {
    co_return co_await create_disk_writer(parts_, std::move(share));
  }
  Task<std::shared_ptr<ShareReader>> open(OpContext /*context*/, ShareId share) override {
    co_return co_await open_disk_reader(parts_, share);
  }
  Task<std::vector<ShareInfo>> commit_slot(OpContext /*context*/, SlotCommit commit) override {
    co_return co_await commit_disk_slot(parts_, std::move(commit), false);
  }
  Task<void> remove(OpContext context, ShareId share) override;
  Task<std::string> quarantine(OpContext context, ShareId share) override;
  Task<ScanPage> scan(OpContext /*context*/, ScanCursor cursor, std::size_t limit) override {
    if (Status ok = co_await parts_.recent.settle_all(); !ok) co_return fail(ok.error());
    co_return co_await scanner_.scan(std::move(cursor), limit);
  }
  Task<Leases> load_leases(OpContext /*context*/, ShareId share) override {
    Status settled = co_await parts_.recent.settle(share.storage_index);
    if (!settled) co_return fail(settled.error());
    co_return co_await load_disk_leases(parts_, share);
  }
  Task<void> store_leases(OpContext /*context*/, ShareId share,
                          std::vector<LeaseUpdate> leases) override {
    co_return co_await store_disk_leases(parts_, share, std::move(leases));
  }
  Task<void> put_state(OpContext /*context*/, std::string name, Bytes content) override {
    co_return co_await put_state_file(parts_, std::move(name), std::move(content));
  }
  Task<Bytes> get_state(OpContext /*context*/, std::string name) override {
    co_return co_await get_state_file(parts_, std::move(name));
  }
  Task<std::vector<std::string>> list_state(OpContext /*context*/) override {
    co_return co_await list_state_files(parts_);
  }
  Task<void> remove_state(OpContext /*context*/, std::string name) override {
    co_return co_await remove_state_file(parts_, std::move(name));
  }
  Task<Space> space(OpContext context) override;

  Health health() const override {
    if (const auto reason = parts_.durable.poisoned()) {
      return {false, "the disk backend takes no changes until the node is restarted: " + *reason};
    }
    const std::string trouble = parts_.recent.trouble();
    if (trouble.empty()) return {};
    return {false, "small shares wait in the redo log, their files cannot be made: " + trouble};
  }

 private:
  Status clean();
  Result<std::string> move_to_quarantine(ShareId share, std::int64_t now);

  DiskParts parts_;
  DiskScanner scanner_;
  BackendTraits traits_;
};

Status DiskBackend::clean() {
  const DiskLayout& layout = parts_.layout;
  for (const std::string& directory : {layout.incoming(), layout.pending()}) {
    if (Status ok = remove_tree(parts_.files, directory); !ok) return ok;
    if (Status ok = make_directory(parts_.files, directory); !ok) return ok;
  }
  if (Status ok = clean_state_files(parts_); !ok) return ok;
  DurableFiles::Change everything;
  everything.directories = {layout.storage(),
                            layout.shares(),
                            layout.incoming(),
                            layout.side(),
                            layout.pending(),
                            layout.state(),
                            "/"};
  // The directories that make_disk_backend() may have made on the way down.
  for (std::string path = layout.storage(); path.rfind('/') > 0;) {
    path.resize(path.rfind('/'));
    everything.directories.push_back(path);
  }
  if (Status ok = parts_.durable.commit_now(std::move(everything)); !ok) return ok;
  return parts_.durable.sync_everything_now();
}

Task<void> DiskBackend::remove(OpContext /*context*/, ShareId share) {
  if (Status ok = co_await parts_.recent.retire(share); !ok) co_return ok;
  DurableFiles::Change change;
  change.publish = [this, share] { return unlink_share(parts_.files, parts_.layout, share); };
  change.directories = {parts_.layout.prefix_directory(share.storage_index),
                        parts_.layout.index_directory(share.storage_index)};
  co_return co_await parts_.durable.commit(std::move(change));
}

Result<std::string> DiskBackend::move_to_quarantine(ShareId share, std::int64_t now) {
  const std::string index = share.storage_index.to_text();
  std::string directory = parts_.layout.quarantine();
  for (const std::string& step : {std::string(), "/" + index.substr(0, 2), "/" + index}) {
    directory += step;
    if (Status ok = make_directory(parts_.files, directory); !ok) return fail(ok.error());
  }
  for (int attempt = 0; attempt < kMaxQuarantineNames; ++attempt) {
    std::string name = fmt::format("{}/{}.{}", directory, share.number, now);
    if (attempt > 0) name += fmt::format(".{}", attempt);
    FileStat there;
    if (parts_.files.stat(name, there) == 0) continue;
    const int result = parts_.files.rename(parts_.layout.share(share), name);
    if (result < 0 && result != -ENOENT && result != -ENOTDIR) {
      return fail(file_error(result, "quarantine of " + share.to_text()));
    }
    return name;
  }
  return fail(Errc::busy, "quarantine of " + share.to_text() + ": too many in one second");
}

Task<std::string> DiskBackend::quarantine(OpContext /*context*/, ShareId share) {
  if (Status ok = co_await parts_.recent.retire(share); !ok) co_return fail(ok.error());
  auto place = std::make_shared<std::string>();
  const std::int64_t now = unix_seconds(parts_.clock.utc_now());
  DurableFiles::Change change;
  change.publish = [this, share, now, place]() -> Status {
    auto moved = move_to_quarantine(share, now);
    if (!moved) return fail(moved.error());
    *place = std::move(*moved);
    return {};
  };
  const std::string index = share.storage_index.to_text();
  const std::string quarantine = parts_.layout.quarantine();
  change.directories = {parts_.layout.index_directory(share.storage_index), parts_.layout.side(),
                        quarantine, quarantine + "/" + index.substr(0, 2),
                        quarantine + "/" + index.substr(0, 2) + "/" + index};
  if (Status done = co_await parts_.durable.commit(std::move(change)); !done) {
    co_return fail(done.error());
  }
  co_return std::move(*place);
}

Task<Space> DiskBackend::space(OpContext /*context*/) {
  co_return co_await parts_.pool.run([this]() -> Result<Space> {
    FileSystemSpace found;
    const int result = parts_.files.space(parts_.layout.shares(), found);
    if (result < 0) return fail(file_error(result, "space of the storage directory"));
    Space space;
    space.total_bytes = found.total_bytes;
    space.free_for_root_bytes = found.free_for_root_bytes;
    space.free_bytes = found.free_bytes;
    space.max_immutable_bytes = limits::kMaxAdvertisedBytes - kShareHeaderBytes;
    return space;
  });
}

Status make_parents(FileSystem& files, const std::string& path) {
  for (std::size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    const int result = files.make_directory(path.substr(0, slash));
    // Parents that exist may refuse with something else than "exists" (read-only, no access).
    FileStat there;
    if (result < 0 && files.stat(path.substr(0, slash), there) < 0) {
      return fail(file_error(result, "make " + path.substr(0, slash)));
    }
  }
  return make_directory(files, path);
}

}  // namespace

Result<std::unique_ptr<Backend>> make_disk_backend(const DiskOptions& options, Journal& journal,
                                                   IoPool& pool, Clock& clock) {
  FileSystem& files = options.files != nullptr ? *options.files : system_files();
  std::string storage = options.storage_directory.lexically_normal().string();
  while (storage.size() > 1 && storage.back() == '/') storage.pop_back();
  if (storage.empty() || storage.front() != '/') {
    return fail(Errc::invalid_argument, "the storage directory must be an absolute path");
  }
  if (Status ok = make_parents(files, storage); !ok) return fail(ok.error());
  const DiskLayout plain(storage, storage);
  for (const std::string& directory : {plain.shares(), plain.incoming(), plain.state()}) {
    if (Status ok = make_directory(files, directory); !ok) return fail(ok.error());
  }
  // Renames stay within one file system: where shares/ is another one, ours goes there too.
  FileStat here;
  FileStat shares;
  if (files.stat(storage, here) < 0 || files.stat(plain.shares(), shares) < 0) {
    return fail(Errc::io_error, "the storage directory cannot be read");
  }
  std::string side = here.device == shares.device ? storage : plain.shares() + "/.sharestore";
  DiskLayout layout(storage, std::move(side));
  for (const std::string& directory : {layout.side(), layout.pending()}) {
    if (Status ok = make_directory(files, directory); !ok) return fail(ok.error());
  }
  return std::make_unique<DiskBackend>(files, std::move(layout), options, journal, pool, clock);
}

}  // namespace sharestore
