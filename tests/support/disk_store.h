// A share store over share files and a real index, as a node on disk has it, on a clock that the
// test owns. Opened again over the same directory it is a restart; destroyed without stop(), a
// crash as far as index and files can tell.
//
// One thread.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "backends/disk/disk_backend.h"
#include "storage_server/index/full_index.h"
#include "storage_server/shares/share_store.h"
#include "tests/support/fake_clock.h"
#include "tests/support/hooked_backend.h"
#include "tests/support/run_task.h"
#include "tests/support/share_files.h"
#include "tests/support/test_data.h"

namespace sharestore {

class DiskStore {
 public:
  DiskStore(std::filesystem::path directory, FakeClock& the_clock, ShareStoreOptions options = {})
      : clock(the_clock), directory_(std::move(directory)) {
    IndexOptions index_options;
    index_options.file = directory_ / "index.sqlite";
    index_options.kept_outside = KeptOutside::in_share_files;
    index_options.memory_bytes = 4 << 20;
    index = must(FullIndex::open_full(index_options, clock));
    DiskOptions disk;
    disk.storage_directory = directory_ / "storage";
    auto hooked =
        std::make_unique<HookedBackend>(must(make_disk_backend(disk, *index, pool_, clock)));
    hooks = hooked.get();
    backend = std::move(hooked);
    must(run_task(backend->start(clock.context())));
    options.advisories_directory = directory_ / "advisories";
    options.spool_directory = directory_;
    store = ShareStore::create(std::move(options), *backend, *index, pool_, clock);
    must(run_task(store->start(clock.context())));
  }
  void stop() {
    (void)run_task(store->drain(clock.context()));
    must(run_task(backend->stop(clock.context())));
    index->stop();
  }

  template <class T>
  static T must(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().message());
    if constexpr (!std::is_void_v<T>) return std::move(*result);
  }

  void put(ShareId share, const std::string& text, char renew = 'r') {
    must(run_task(store->allocate(clock.context(), share.storage_index, {share.number}, text.size(),
                                  letter_secrets(renew, 'c'), letter_secret('u'))));
    const auto upload = must(store->find_upload(share, letter_secret('u')));
    must(run_task(upload->write(clock.context(), 0, Bytes::copy_of(text))));
    must(run_task(upload->finish_write(clock.context())));
  }
  void put_mutable(ShareId share, const std::string& text, char renew = 'r') {
    ReadTestWrite request;
    request.shares[share.number].writes = {{0, text_source(text)}};
    must(run_task(store->read_test_write(clock.context(), share.storage_index, letter_secret('W'),
                                         letter_secrets(renew, 'c'), std::move(request))));
  }
  Status lease(StorageIndex storage_index, char renew) {
    return run_task(store->add_lease(clock.context(), storage_index, letter_secrets(renew, 'c')));
  }
  // The whole share, or "<code>" where it cannot be opened.
  std::string content(ShareId share, ShareKind kind = ShareKind::immutable) {
    const auto reader = run_task(store->open(clock.context(), share, kind));
    if (!reader) return "<" + std::string(to_string(reader.error().code())) + ">";
    const auto size = static_cast<std::size_t>((*reader)->info().data_bytes);
    const auto data = run_task((*reader)->read(clock.context(), 0, size));
    return data ? std::string(data->text()) : "<unreadable>";
  }
  Leases leases_in_file(ShareId share) {
    return must(run_task(backend->load_leases(clock.context(), share)));
  }
  // Writes every lease that is newer than the share files into them.
  std::size_t save_all_leases() {
    must(run_task(index->fold_renewals()));
    std::size_t total = 0;
    while (const auto saved = must(run_task(store->save_leases(clock.context(), *index, 10)))) {
      total += saved;
    }
    return total;
  }
  // For tests that look at share files, or touch them.
  void make_files() { must(run_task(backend->scan(clock.context(), {}, 1))); }
  std::filesystem::path file_of(ShareId share) const {
    return share_file_path(directory_ / "storage", share);
  }
  std::int64_t now() const { return unix_seconds(clock.utc_now()); }

  FakeClock& clock;
  HookedBackend* hooks = nullptr;

 private:
  std::filesystem::path directory_;
  IoPool pool_{2};

 public:
  std::unique_ptr<FullIndex> index;
  std::unique_ptr<Backend> backend;
  std::unique_ptr<ShareStore> store;
};

}  // namespace sharestore
