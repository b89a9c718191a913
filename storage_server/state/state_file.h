// A blob under `state/`: what the index knew of some shares when it was written.
//
//   name      batch-<sequence>  snapshot-<sequence>-<part>  snapshot-<sequence>-end
//             (sequence 16 hex digits, part 6 decimal digits); all are applied in this order
//   bytes     "sharestore state" u32 format, u32 kind, u64 sequence, u32 part, records, and the
//             BLAKE2b-256 of all that; integers big-endian
//   record    u8 0 (removed) | 1 (share), storage index, u64 number; a share goes on with u8 kind,
//             u8 state, u8 container version, u8 1 if an enabler digest follows the times, u64 data
//             bytes, u64 stored bytes, u64 first and u64 last write, the digest, u32 length and
//             leases packed as in index/lease_pack.h
//
// Names and format are frozen from the first blob written; kStateFormat tells versions apart. Pure;
// one thread per object.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "backends/core/bytes.h"
#include "backends/core/error.h"
#include "storage_server/index/rebuild.h"

namespace sharestore {

inline constexpr std::uint32_t kStateFormat = 1;
// A blob takes no further record beyond this; one record has at most 80 KiB.
inline constexpr std::size_t kStateBlobBytes = 1 << 20;

enum class StateKind : std::uint8_t { batch = 1, snapshot_part = 2, snapshot_end = 3 };

struct StateName {
  std::uint64_t sequence = 0;
  StateKind kind = StateKind::batch;
  // Of a snapshot's parts, from 0; of its end the number of parts.
  std::uint32_t part = 0;

  auto operator<=>(const StateName&) const = default;
  std::string to_text() const;
  // Nothing: no name of ours. `part` of an end is not in its name, and is 0.
  static std::optional<StateName> from_text(std::string_view text);
};

class StateWriter {
 public:
  explicit StateWriter(const StateName& name);

  // `row` absent: the share was removed.
  void add(const ShareId& share, const ShareRow* row, const Leases& leases);
  bool is_full() const { return body_.size() >= kStateBlobBytes; }
  bool is_empty() const { return records_ == 0; }
  // The whole blob. Called once.
  Bytes finish();

 private:
  std::string body_;
  std::size_t records_ = 0;
};

class StateReader {
 public:
  // corrupt: truncated, changed, or another blob's content. unsupported: of a newer format.
  static Result<StateReader> open(const StateName& name, Bytes blob);

  std::uint32_t part() const { return part_; }
  // The next record; nothing at the end. corrupt.
  Result<std::optional<RememberedShare>> next();

 private:
  StateReader(Bytes blob, std::size_t at, std::size_t end, std::uint32_t part)
      : blob_(std::move(blob)), at_(at), end_(end), part_(part) {}

  Bytes blob_;
  std::size_t at_;
  std::size_t end_;
  std::uint32_t part_;
};

}  // namespace sharestore
