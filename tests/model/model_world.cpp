#include "tests/model/model_world.h"

#include <chrono>
#include <cstdint>
#include <stdexcept>

#include "backends/disk/disk_backend.h"
#include "backends/memory/memory_backend.h"
#include "backends/s3/s3_container.h"
#include "config/service_url.h"
#include "tests/support/fake_s3.h"
#include "tests/support/object_place.h"
#include "tests/support/run_task.h"
#include "tests/support/shared_container.h"
#include "tests/support/temp_dir.h"

namespace sharestore {
namespace {

class MemoryWorld final : public ModelWorld {
 public:
  std::unique_ptr<Backend> open_backend() override { return make_memory_backend({}); }
};

class DiskWorld final : public ModelWorld {
 public:
  std::unique_ptr<Backend> open_backend() override {
    DiskOptions options;
    options.storage_directory = directory_ / "storage";
    auto backend = make_disk_backend(options, journal, pool_, clock);
    if (!backend) throw std::runtime_error(backend.error().message());
    return std::move(*backend);
  }

 private:
  TempDir directory_;
  IoPool pool_{2};
};

// Over HTTP, with every signature checked and two names to a listing.
class S3World final : public ModelWorld {
 public:
  S3World() {
    s3::S3Options options;
    options.config.url = *parse_service_url(store_.server().origin());
    options.config.access_key_id = fake_.access_key_id;
    options.config.secret_access_key = Secret(fake_.secret);
    options.config.bucket = fake_.bucket;
    options.config.region = fake_.region;
    options.config.prefix = ObjectPlace::kPrefix;
    options.min_part_bytes = fake_.min_part_bytes;
    container_ = std::make_shared<s3::S3Container>(options, requests_pool_, place_.executor());
  }
  ~S3World() override { (void)run_task(container_->close()); }

  std::unique_ptr<Backend> open_backend() override {
    return place_.open(std::make_unique<SharedContainer>(container_), journal, clock);
  }

 private:
  static test::FakeS3Options two_names() {
    test::FakeS3Options options;
    options.page_size = 2;
    return options;
  }

  ObjectPlace place_;
  IoPool requests_pool_{2};
  const test::FakeS3Options fake_ = two_names();
  test::FakeS3 store_{clock, fake_};
  std::shared_ptr<s3::S3Container> container_;
};

class CrashWorld final : public ModelWorld {
 public:
  // How small changes become durable: a log so small that it goes round and round, or none.
  struct Log {
    std::uint64_t bytes = 0;
    std::chrono::milliseconds make_files_after{0};
  };

  CrashWorld(bool ordered, SyncMode mode, Log log) : files_(ordered), mode_(mode), log_(log) {}

  // Null: the disk failed or stopped while the directories were made.
  std::unique_ptr<Backend> open_backend() override {
    DiskOptions options;
    options.storage_directory = "/storage";
    options.sync_mode = mode_;
    options.redo_log_bytes = log_.bytes;
    options.make_files_after = log_.make_files_after;
    options.files = &files_;
    auto backend = make_disk_backend(options, journal, pool_, clock);
    return backend ? std::move(*backend) : nullptr;
  }
  CrashFileSystem* files() override { return &files_; }

 private:
  CrashFileSystem files_;
  const SyncMode mode_;
  const Log log_;
  IoPool pool_{2};
};

constexpr CrashWorld::Log kNoLog;
// Files are made only when something asks for them, or all the time.
constexpr CrashWorld::Log kFilesWhenAsked{64 * 1024, std::chrono::hours(1)};
constexpr CrashWorld::Log kFilesBehind{64 * 1024, std::chrono::milliseconds(1)};

ModelCase crash_case(std::string name, bool ordered, SyncMode mode, CrashWorld::Log log = kNoLog) {
  return {std::move(name), true, 20,
          [ordered, mode, log] { return std::make_unique<CrashWorld>(ordered, mode, log); }};
}

}  // namespace

std::vector<ModelCase> model_cases() {
  return {
      {"memory", false, 20, [] { return std::make_unique<MemoryWorld>(); }},
      {"s3", false, 2, [] { return std::make_unique<S3World>(); }},
      {"disk", false, 4, [] { return std::make_unique<DiskWorld>(); }},
      crash_case("disk_write_out", true, SyncMode::automatic),
      crash_case("disk_sync_files", false, SyncMode::automatic),
      crash_case("disk_per_file", false, SyncMode::per_file),
      crash_case("disk_per_file_ordered", true, SyncMode::per_file),
      crash_case("disk_write_out_logged", true, SyncMode::automatic, kFilesWhenAsked),
      crash_case("disk_sync_files_logged", false, SyncMode::automatic, kFilesWhenAsked),
      crash_case("disk_per_file_logged", false, SyncMode::per_file, kFilesWhenAsked),
      crash_case("disk_write_out_behind", true, SyncMode::automatic, kFilesBehind),
      crash_case("disk_sync_files_behind", false, SyncMode::automatic, kFilesBehind),
  };
}

}  // namespace sharestore
