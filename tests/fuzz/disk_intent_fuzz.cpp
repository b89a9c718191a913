// Any bytes as an intent of the disk backend, and as a redo record: refused, or coherent.
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "backends/disk/intent.h"

namespace {

using namespace sharestore;

// No file behind it: whatever passes the checks fails at the first write.
class NoFiles final : public FileSystem {
 public:
  int open(const std::string&, int) override { return -1; }
  void close(int) override {}
  std::int64_t pread(int, MutableByteSpan, std::uint64_t) override { return -1; }
  std::int64_t pread_now(int, MutableByteSpan, std::uint64_t) override { return -1; }
  std::int64_t pwrite(int, ByteSpan from, std::uint64_t) override {
    return static_cast<std::int64_t>(from.size());
  }
  int truncate(int, std::uint64_t) override { return 0; }
  int zero_range(int, std::uint64_t, std::uint64_t) override { return 0; }
  int reserve(int, std::uint64_t, std::uint64_t) override { return 0; }
  int clone(int, int) override { return -1; }
  std::int64_t copy_range(int, std::uint64_t, int, std::uint64_t, std::uint64_t) override {
    return -1;
  }
  std::int64_t next_data(int, std::uint64_t) override { return -1; }
  std::int64_t next_hole(int, std::uint64_t) override { return -1; }
  int sync_data(int) override { return 0; }
  int sync_directory(const std::string&) override { return 0; }
  int sync_everything(int) override { return 0; }
  int begin_write_out(int, std::uint64_t, std::uint64_t) override { return 0; }
  int finish_write_out(int) override { return 0; }
  bool write_out_orders_names(int) override { return true; }
  int stat(const std::string&, FileStat&) override { return -1; }
  int stat_open(int, FileStat&) override { return -1; }
  int rename(const std::string&, const std::string&) override { return -1; }
  int unlink(const std::string&) override { return -1; }
  int make_directory(const std::string&) override { return -1; }
  int remove_directory(const std::string&) override { return -1; }
  int list(const std::string&, std::vector<std::string>&) override { return -1; }
  int space(const std::string&, FileSystemSpace&) override { return -1; }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (const auto actions = decode_intent(input)) {
    if (encode_intent(*actions) != input) std::abort();
  }
  const ReadAt read = [&](std::uint64_t at, MutableByteSpan into) -> Status {
    if (at > size || into.size() > size - at) std::abort();
    if (!into.empty()) std::memcpy(into.data(), data + at, into.size());
    return {};
  };
  NoFiles files;
  const File target(files, 3);
  (void)apply_redo(read, size, target);
  // What was written is always taken.
  std::string record;
  const FileEdit edit{size, size, memory_source(Bytes::copy_of(input)), 0};
  if (!write_redo({edit}, size, [&](ByteSpan bytes) {
        record.append(as_text(bytes));
        return Status{};
      })) {
    std::abort();
  }
  const ReadAt read_record = [&](std::uint64_t at, MutableByteSpan into) -> Status {
    if (at > record.size() || into.size() > record.size() - at) std::abort();
    std::memcpy(into.data(), record.data() + at, into.size());
    return {};
  };
  if (!apply_redo(read_record, record.size(), target)) std::abort();
  return 0;
}
