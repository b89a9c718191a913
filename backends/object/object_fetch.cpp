#include "backends/object/object_fetch.h"

#include <utility>

namespace sharestore {

ByteSourcePtr FetchedObject::content() const {
  if (file) return file_source(file, 0, size_bytes);
  return memory_source(Bytes(memory, ByteSpan(*memory)));
}

Task<FetchedObject> fetch_object(OpContext context, ObjectContainer& container, IoPool& pool,
                                 std::filesystem::path spool_directory, std::string key) {
  auto first = co_await container.get(context, key, 0, kFetchInMemoryBytes, Freshness::newest);
  if (!first) co_return fail(std::move(first.error()));
  FetchedObject object;
  object.etag = first->info.etag;
  object.size_bytes = first->info.size_bytes;
  if (object.size_bytes <= kFetchInMemoryBytes) {
    const ByteSpan bytes = first->bytes.span();
    object.memory = std::make_shared<std::vector<std::byte>>(bytes.begin(), bytes.end());
    co_return object;
  }
  auto make = [directory = std::move(spool_directory)]() {
    return TemporaryFile::create(directory);
  };
  auto file = co_await pool.run(std::move(make));
  if (!file) co_return fail(std::move(file.error()));
  object.file = std::move(*file);
  Bytes piece = std::move(first->bytes);
  for (std::uint64_t at = 0;;) {
    auto write = [target = object.file, at, piece]() { return target->write(at, piece.span()); };
    auto written = co_await pool.run(std::move(write));
    if (!written) co_return fail(std::move(written.error()));
    at += piece.size();
    if (at >= object.size_bytes) co_return object;
    auto next = co_await container.get(context, key, at, kFetchInMemoryBytes, Freshness::newest);
    if (!next) co_return fail(std::move(next.error()));
    if (next->info.etag != object.etag || next->bytes.empty()) {
      co_return fail(Errc::conflict, key + " changed while it was read");
    }
    piece = std::move(next->bytes);
  }
}

}  // namespace sharestore
