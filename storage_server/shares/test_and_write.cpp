#include "storage_server/shares/test_and_write.h"

#include <algorithm>
#include <string>
#include <utility>

#include "backends/core/limits.h"
#include "backends/share_file/layout.h"

namespace sharestore {

namespace {

// Tests compare this much at a time.
constexpr std::size_t kCompareBytes = 256 * 1024;

// All bytes of [offset, offset + size) that the share has; readers may answer in pieces.
Task<Bytes> read_clipped(OpContext context, ShareReader& reader, std::uint64_t offset,
                         std::uint64_t size) {
  const std::uint64_t length = reader.info().data_bytes;
  if (offset >= length || size == 0) co_return Bytes();
  const std::size_t wanted = std::min(size, length - offset);
  auto first = co_await reader.read(context, offset, wanted);
  if (!first || first->size() == wanted || first->empty()) co_return first;
  std::vector<std::byte> whole(first->span().begin(), first->span().end());
  whole.reserve(wanted);
  while (whole.size() < wanted) {
    auto more = co_await reader.read(context, offset + whole.size(), wanted - whole.size());
    if (!more) co_return fail(std::move(more.error()));
    if (more->empty()) co_return fail(Errc::corrupt, "the share is shorter than its header says");
    whole.insert(whole.end(), more->span().begin(), more->span().end());
  }
  co_return Bytes(std::move(whole));
}

Task<bool> matches(OpContext context, IoPool& pool, ShareReader* reader, TestVector test) {
  const std::uint64_t length = reader == nullptr ? 0 : reader->info().data_bytes;
  const std::uint64_t there = test.offset >= length ? 0 : std::min(test.size, length - test.offset);
  if (there != test.specimen->size()) co_return false;
  for (std::uint64_t at = 0; at < there;) {
    const std::size_t piece = std::min<std::uint64_t>(there - at, kCompareBytes);
    auto stored = co_await read_clipped(context, *reader, test.offset + at, piece);
    if (!stored) co_return fail(std::move(stored.error()));
    auto load = [specimen = test.specimen, at, piece]() -> Result<std::string> {
      std::string bytes(piece, '\0');
      auto read = specimen->read(at, std::as_writable_bytes(std::span(bytes)));
      if (!read) return fail(std::move(read.error()));
      return bytes;
    };
    auto wanted = test.specimen->in_memory() ? load() : co_await pool.run(load);
    if (!wanted) co_return fail(std::move(wanted.error()));
    if (stored->text() != *wanted) co_return false;
    at += piece;
  }
  co_return true;
}

}  // namespace

Secret stored_write_enabler(const Secret& given) {
  std::string padded(given.reveal().substr(0, kWriteEnablerBytes));
  padded.resize(kWriteEnablerBytes, '\0');
  return Secret(padded);
}

Status check_write_enabler(const HeldSlot& slot, const Secret& given,
                           const ReadTestWrite& request) {
  const Digest digest = blake2b_256(given.reveal());
  for (const ShareRow& row : slot.shares) {
    const bool guarded =
        slot.present(row.info.number) != nullptr ||
        (row.state == ShareState::lost && request.shares.contains(row.info.number));
    if (!guarded || !row.info.enabler_digest) continue;
    if (given.size() != kWriteEnablerBytes ||
        !constant_time_equal(as_text(*row.info.enabler_digest), as_text(digest))) {
      return fail(Errc::unauthorized, "wrong write enabler for " + slot.storage_index.to_text());
    }
  }
  return {};
}

Result<std::uint64_t> length_after(std::uint64_t data_bytes, const TestWriteVectors& vectors) {
  std::uint64_t length = data_bytes;
  for (const ShareChange::Write& write : vectors.writes) {
    const std::uint64_t bytes = write.data->size();
    if (write.offset > limits::kMaxMutableShareBytes ||
        bytes > limits::kMaxMutableShareBytes - write.offset) {
      return fail(Errc::too_large, "a mutable share may hold " +
                                       std::to_string(limits::kMaxMutableShareBytes) +
                                       " bytes at most");
    }
    length = std::max(length, write.offset + bytes);
  }
  return vectors.new_length ? std::min(length, *vectors.new_length) : length;
}

Result<WritePlan> plan_writes(const HeldSlot& slot, const ReadTestWrite& request) {
  WritePlan plan;
  for (const auto& [number, vectors] : request.shares) {
    const ShareRow* row = slot.present(number);
    if (vectors.new_length == 0) {
      if (row != nullptr) {
        ShareChange change;
        change.number = number;
        change.remove = true;
        plan.changes.push_back(std::move(change));
        plan.removed.push_back(number);
      }
      continue;
    }
    plan.leased.push_back(number);
    const std::uint64_t before = row == nullptr ? 0 : row->info.data_bytes;
    auto after = length_after(before, vectors);
    if (!after) return fail(std::move(after.error()));
    if (row == nullptr) plan.growth_bytes += kMutableMinBytes;
    if (*after > before) plan.growth_bytes += *after - before;
    const bool cuts = vectors.new_length && *vectors.new_length < before;
    if (row != nullptr && vectors.writes.empty() && !cuts) continue;
    ShareChange change;
    change.number = number;
    change.writes = vectors.writes;
    change.truncate_to = vectors.new_length;
    plan.changes.push_back(std::move(change));
  }
  return plan;
}

Task<SlotReaders> open_all(OpContext context, Slots& slots, const HeldSlot& slot) {
  SlotReaders readers;
  for (const ShareRow& row : slot.shares) {
    if (slot.present(row.info.number) == nullptr) continue;
    auto reader = co_await slots.open_held(context, {slot.storage_index, row.info.number});
    if (!reader) co_return fail(std::move(reader.error()));
    readers.emplace(row.info.number, std::move(*reader));
  }
  co_return readers;
}

Task<bool> run_tests(OpContext context, IoPool& pool, const SlotReaders& readers,
                     const ReadTestWrite& request) {
  for (const auto& [number, vectors] : request.shares) {
    const auto reader = readers.find(number);
    for (const TestVector& test : vectors.tests) {
      auto matched = co_await matches(
          context, pool, reader == readers.end() ? nullptr : reader->second.get(), test);
      if (!matched || !*matched) co_return matched;
    }
  }
  co_return true;
}

Task<std::map<ShareNumber, std::vector<Bytes>>> run_reads(OpContext context,
                                                          const SlotReaders& readers,
                                                          const std::vector<ReadVector>& reads) {
  std::uint64_t answer_bytes = 0;
  std::map<ShareNumber, std::vector<Bytes>> data;
  for (const auto& [number, reader] : readers) {
    std::vector<Bytes>& pieces = data[number];
    for (const ReadVector& vector : reads) {
      const std::uint64_t length = reader->info().data_bytes;
      if (vector.offset < length) answer_bytes += std::min(vector.size, length - vector.offset);
      if (answer_bytes > limits::kMaxReadTestWriteAnswerBytes) {
        co_return fail(Errc::too_large, "the reads of one request may answer 30 MiB at most");
      }
      auto piece = co_await read_clipped(context, *reader, vector.offset, vector.size);
      if (!piece) co_return fail(std::move(piece.error()));
      pieces.push_back(std::move(*piece));
    }
  }
  co_return data;
}

}  // namespace sharestore
