// The body of read-test-write, decoded while it arrives, so that a request of any size costs
// bounded memory: long byte strings, and those beyond the request's share of memory, go to a spool
// file.
//
// Schema and limits: gbs-protocol.md section 3, endpoint 9.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "backends/core/limits.h"
#include "backends/core/task.h"
#include "storage_server/http/message.h"
#include "storage_server/protocol/spool.h"
#include "storage_server/shares/share_store.h"

namespace sharestore {

// What decoding one body takes at most: its strings in memory, two pieces on their way to the
// spool, and the vectors that it may have.
inline constexpr std::size_t kMaxReadTestWriteMemoryBytes = std::size_t{4} << 20;

// The same for a body of that length, or of an unknown one.
std::size_t read_test_write_memory(std::optional<std::uint64_t> body_bytes);

struct ReadTestWriteLimits {
  // The whole body.
  std::uint64_t max_body_bytes = 4ULL << 30;
  // A byte string longer than this is spooled ...
  std::size_t spool_above_bytes = limits::kSpoolAboveBytes;
  // ... and every other one once the strings in memory come to this.
  std::size_t max_memory_bytes = 1U << 20;
};

struct ReadTestWriteBody {
  ReadTestWrite request;
  // Null: everything is in memory. The sources in `request` keep it too.
  std::shared_ptr<SpoolFile> spooled;
};

// invalid_argument: not CBOR, or not of the schema (a key missing, unknown or twice, too many
// vectors); too_large: the body or the number of write vectors; busy, no_space, io_error: the
// spool; otherwise what RequestBody::read says. `body` and `spool` must live until the coroutine
// has ended.
Task<ReadTestWriteBody> decode_read_test_write(http::RequestBody* body, Spool* spool,
                                               ReadTestWriteLimits limits);

}  // namespace sharestore
