// How a worker's scratch memory is laid out, for the files that implement Worker.
#pragma once

#include <cstddef>

#include "storage_server/http/buffer_pool.h"
#include "storage_server/http/limits.h"

namespace sharestore::http {

// Received while a head is expected: at least one whole record, and what may stay held if a handler
// then takes its time.
inline constexpr std::size_t kHeadReceiveBytes = 2 * kRecordBytes;
// Received for a body piece beyond the piece itself.
inline constexpr std::size_t kBodyReceiveSlack = 2 * kRecordBytes;
inline constexpr std::size_t kWireBytes = kBodyPieceBytes + 2 * kBodyReceiveSlack;
// A head that is almost whole, and the record that completes it.
inline constexpr std::size_t kTextBytes = kMaxHeadBytes + 2 * kPlainBytes;
// A body source fills this much at a time; small enough to stay in the caches until it is sealed.
inline constexpr std::size_t kSourceBytes = 64 * 1024;
inline constexpr std::size_t kScratchBytes = kWireBytes + kTextBytes + kSourceBytes;

// How far held bytes may take the memory budget beyond its limit before connections that are in the
// middle of a head are closed.
inline constexpr std::size_t kHeldSlackBytes = 8 * 1024 * 1024;

}  // namespace sharestore::http
