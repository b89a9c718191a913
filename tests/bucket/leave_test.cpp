// No operator is locked in: a bucket copied into a directory is served from disk, and a directory
// copied up from a bucket. The copying itself is what any tool does: object `shares/…` is file
// `shares/…`.
#include "backends/disk/disk_backend.h"
#include "tests/bucket/bucket_fixture.h"
#include "tests/support/memory_journal.h"

namespace sharestore {
namespace {

namespace fs = std::filesystem;

class BucketLeaving : public BucketTest {
 protected:
  std::unique_ptr<Backend> open_disk() {
    DiskOptions options;
    options.storage_directory = directory_.path() / "storage";
    auto disk = make_disk_backend(options, journal_, place_->pool(), clock_);
    EXPECT_TRUE(disk);
    must(run((*disk)->start(context())));
    return std::move(*disk);
  }
  std::string read(Backend& backend, ShareId share) {
    auto reader = run(backend.open(context(), share));
    if (!reader) return code_of(reader.error());
    auto bytes = run((*reader)->read(context(), 0, (*reader)->info().data_bytes));
    return bytes ? std::string(bytes->text()) : code_of(bytes.error());
  }

  TempDir directory_;
  MemoryJournal journal_;
};

TEST_F(BucketLeaving, ABucketCopiedDownIsServedFromDisk) {
  rebuild();
  const std::string large = pattern_text(300'000);
  must(put(kOne, "immutable"));
  must(put({kOne.storage_index, 10}, large.substr(0, 9)));
  must(put({test_index(7), 0}, large));
  must(write(kSlot.storage_index, {{1, "one"}, {10, large}}));
  const auto page = run(container_->list(context(), keys_.all_shares(), {}, 1000));
  for (const ObjectInfo& info : page->objects) {
    const auto got = run(container_->get(context(), info.key, 0, 0, Freshness::any));
    const std::string below = info.key.substr(std::string(ObjectPlace::kPrefix).size());
    write_file(directory_.path() / "storage" / below, got->bytes.text());
  }
  auto disk = open_disk();
  EXPECT_EQ(read(*disk, kOne), "immutable");
  EXPECT_EQ(read(*disk, {test_index(7), 0}), large);
  EXPECT_EQ(read(*disk, kSlot), large);
  EXPECT_EQ(run(disk->list(context(), kSlot.storage_index, {}))->size(), 2u);
  // It can be changed there, and takes leases.
  ShareChange change;
  change.number = 1;
  change.writes.push_back({0, text_source("ONE")});
  EXPECT_TRUE(
      run(disk->commit_slot(context(), {kSlot.storage_index, letter_secret('W'), {change}})));
  EXPECT_EQ(read(*disk, {kSlot.storage_index, 1}), "ONE");
  EXPECT_TRUE(run(disk->store_leases(context(), kOne, {letter_lease('r', 'c', 2'000'000'000)})));
  EXPECT_EQ(run(disk->load_leases(context(), kOne))->size(), 1u);
  EXPECT_EQ(read(*disk, kOne), "immutable");
  must(run(disk->stop(context())));
}

TEST_F(BucketLeaving, ADirectoryCopiedUpIsServedFromTheBucket) {
  const std::string large = pattern_text(300'000);
  {
    auto disk = open_disk();
    auto writer = run(disk->create_immutable(context(), {kOne, large.size()}));
    ASSERT_TRUE(writer);
    must(run((*writer)->write(context(), 0, Bytes::copy_of(large))));
    ASSERT_TRUE(run((*writer)->commit(context(), {letter_lease('r', 'c', 2'000'000'000).lease})));
    ShareChange change;
    change.number = kSlot.number;
    change.writes.push_back({0, text_source("mutable")});
    change.leases.push_back(letter_lease('r', 'c', 2'000'000'000));
    ASSERT_TRUE(
        run(disk->commit_slot(context(), {kSlot.storage_index, letter_secret('W'), {change}})));
    must(run(disk->stop(context())));
  }
  const fs::path storage = directory_.path() / "storage";
  for (const auto& entry : fs::recursive_directory_iterator(storage / "shares")) {
    if (!entry.is_regular_file()) continue;
    const std::string key = ObjectPlace::kPrefix + fs::relative(entry.path(), storage).string();
    ASSERT_TRUE(run(container_->put(context(), key, text_source(read_file(entry.path())), {})));
  }
  rebuild();
  EXPECT_EQ(content(kOne, kImmutable), large);
  EXPECT_EQ(content(kSlot, kMutable), "mutable");
  EXPECT_EQ(list(kSlot.storage_index, kMutable), "10 ");
  EXPECT_EQ(write(kSlot.storage_index, {{10, "x"}}, 'X').error().code(), Errc::unauthorized);
  must(write(kSlot.storage_index, {{10, "changed"}}));
  EXPECT_EQ(content(kSlot, kMutable), "changed");
}

}  // namespace
}  // namespace sharestore
