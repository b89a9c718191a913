// What the redo log holds, byte by byte: batches of records, each batch whole or void.
//
// A batch is written and synced as one and is as long as whole blocks are. Its head carries the
// log's random id, which clients never see: share bytes cannot look like a batch of it.
//
//   batch:  "ssredo1\n", id (16), number (8), oldest live batch (8), record bytes (4),
//           CRC-32C of all of it but this field (4), records, zeros to the block's end
//   record: storage index (16), share number (8), marks (1), has content (1), content bytes (4),
//           marks of 13 bytes: there (1), data bytes (8), their CRC-32C (4); content
// Integers are big-endian. The format lives from one write to the next start at the latest.
//
// Pure; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backends/core/bytes.h"
#include "backends/core/storage_index.h"
#include "backends/share_file/layout.h"

namespace sharestore {

// Enough of a share file to tell one version from another, leases apart: a program that renews them
// does not make it another version. As it is made: no file.
struct FileMark {
  bool there = false;
  std::uint64_t data_bytes = 0;
  std::uint32_t data_crc = 0;

  bool operator==(const FileMark&) const = default;
};
// Of a whole share file whose header is known.
FileMark mark_of(const ShareHeader& header, ByteSpan file);

struct RedoRecord {
  ShareId share;
  // What may lie under the share's name when the record is read back: one of these, or the same as
  // `content`.
  std::vector<FileMark> before;
  // The whole share file. Nothing: earlier records of the share are void.
  std::optional<Bytes> content;
};

inline constexpr std::size_t kRedoBlockBytes = 4096;
using RedoLogId = std::array<unsigned char, 16>;

struct RedoBatch {
  std::uint64_t number = 0;
  // Batches before this one are void.
  std::uint64_t oldest_live = 0;
  std::vector<RedoRecord> records;
};

// How many bytes the record takes in a batch.
std::size_t redo_record_bytes(const RedoRecord& record);
// Of a batch with so many bytes of records: whole blocks.
std::size_t redo_batch_bytes(std::size_t record_bytes);

std::string encode_redo_batch(const RedoLogId& id, const RedoBatch& batch);

// The batch at the start of `bytes`, and how long it is there; nothing if no whole one is.
struct FoundRedoBatch {
  RedoBatch batch;
  std::size_t bytes = 0;
};
std::optional<FoundRedoBatch> decode_redo_batch(const RedoLogId& id, ByteSpan bytes);

// The log's first block: its id and size.
struct RedoHead {
  RedoLogId id{};
  std::uint64_t log_bytes = 0;
};
std::string encode_redo_head(const RedoHead& head);
std::optional<RedoHead> decode_redo_head(ByteSpan block);

}  // namespace sharestore
